// The documents contract on MongoDB.
import { randomUUID } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { describe, test } from 'vitest';
import { openMongoDocuments } from '../../src/storage/mongo/documents.js';
import { documentsContract } from './documents.js';

const url = process.env['MONGODB_URL'];
if (url) {
  documentsContract('MongoDB', async () => {
    const database = `tsela-documents-${randomUUID().slice(0, 8)}`;
    return {
      open: () => openMongoDocuments({ url, database }),
      dispose: async () => {
        const client = await new MongoClient(url).connect();
        await client.db(database).dropDatabase();
        await client.close();
      },
    };
  });
} else {
  describe('documents contract: MongoDB', () =>
    test.skip('needs MONGODB_URL, which is not set', () => undefined));
}

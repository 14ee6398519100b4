// The store contract on MongoDB.
import { describe, test } from 'vitest';
import { newFacility } from '../storage/mongo/facility.js';
import { storeContract } from './store.js';

if (process.env['MONGODB_URL']) {
  storeContract('MongoDB', async () => {
    const facility = await newFacility();
    return { open: () => facility.open(), dispose: () => facility.dispose() };
  });
} else {
  describe('store contract: MongoDB', () =>
    test.skip('needs MONGODB_URL, which is not set', () => undefined));
}

// What the bench needs of MongoDB beside the server: to name the engine honestly and to drop what it made.
import { MongoClient } from 'mongodb';

async function withClient(work) {
  const client = new MongoClient(process.env.MONGODB_URL);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** A mongod says in buildInfo what it was built with; the DocumentDB gateway does not. Figures of the two are not alike. */
export const engineOf = () =>
  withClient(async client => {
    const info = await client.db('admin').command({ buildInfo: 1 });
    return info.storageEngines === undefined ? 'DocumentDB engine' : `MongoDB ${info.version}`;
  });

export const dropDatabase = name => withClient(client => client.db(name).dropDatabase());

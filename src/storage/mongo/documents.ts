// The documents port on MongoDB: one document each, values as JSON text because `$`, dots and decimals in them are
// the caller's. A TTL index removes what has expired some time later; until then every method looks past it.
import { randomInt } from 'node:crypto';
import type { Collection, Filter } from 'mongodb';
import type { Document, Documents, PutOptions } from '../documents.js';
import { connect, isDuplicate, reaching, type MongoOptions } from './connect.js';

interface Stored {
  /** `collection/key`; the collection's name has no slash. */
  _id: string;
  c: string;
  k: string;
  value: string;
  /** Random, so that a document made again never has the revision of the one before. */
  revision: number;
  expires?: Date;
}

/** @throws FhirError `unavailable` within about 5 s where no server answers. */
export async function openMongoDocuments(options: MongoOptions): Promise<Documents> {
  const { client, db } = await connect(options);
  const documents = db.collection<Stored>('documents');
  try {
    await reaching(() =>
      documents.createIndexes([
        { key: { c: 1, k: 1 }, name: 'key' },
        { key: { expires: 1 }, name: 'expired', expireAfterSeconds: 0 },
      ]),
    );
  } catch (error) {
    await client.close();
    throw error;
  }
  const living = (collection: string, key: string): Filter<Stored> => ({
    _id: idOf(collection, key),
    ...unexpired(),
  });
  const take = async (collection: string, key: string): Promise<Document | undefined> => {
    const taken = await documents.findOneAndDelete(living(collection, key));
    return taken ? made(taken) : undefined;
  };
  return {
    get: (collection, key) =>
      reaching(async () => {
        const found = await documents.findOne(living(collection, key));
        return found ? made(found) : undefined;
      }),
    put: (collection, key, value, put = {}) => reaching(() => store(documents, collection, key, value, put)),
    take: (collection, key) => reaching(() => take(collection, key)),
    delete: (collection, key, expected) =>
      reaching(async () => {
        const filter = {
          ...living(collection, key),
          ...(expected === undefined ? {} : { revision: expected }),
        };
        return (await documents.deleteOne(filter)).deletedCount === 1;
      }),
    list: (collection, { prefix = '', after, limit = Number.MAX_SAFE_INTEGER } = {}) =>
      reaching(async () => {
        if (limit <= 0) return [];
        const found: Document[] = [];
        // From the prefix on, keys that have it come first and together.
        const from = after === undefined || after < prefix ? { $gte: prefix } : { $gt: after };
        for await (const stored of documents.find(
          { c: collection, k: from, ...unexpired() },
          { sort: { k: 1 } },
        )) {
          if (!stored.k.startsWith(prefix) || found.length === limit) break;
          found.push(made(stored));
        }
        return found;
      }),
    sweep: () =>
      reaching(async () => (await documents.deleteMany({ expires: { $lte: new Date() } })).deletedCount),
    close: () => client.close(),
  };
}

function idOf(collection: string, key: string): string {
  if (collection.includes('/')) throw new TypeError(`A collection's name has no slash: ${collection}`);
  return `${collection}/${key}`;
}

const unexpired = (): Filter<Stored> => ({
  $or: [{ expires: { $exists: false } }, { expires: { $gt: new Date() } }],
});

const made = (stored: Stored): Document => ({
  key: stored.k,
  value: JSON.parse(stored.value) as unknown,
  revision: stored.revision,
  ...(stored.expires === undefined ? {} : { expires: stored.expires.getTime() }),
});

async function store(
  documents: Collection<Stored>,
  collection: string,
  key: string,
  value: unknown,
  { expires, expected }: PutOptions,
): Promise<number | undefined> {
  const _id = idOf(collection, key);
  const revision = randomInt(1, 2 ** 48 - 1);
  const next: Omit<Stored, '_id'> = {
    c: collection,
    k: key,
    value: JSON.stringify(value),
    revision,
    ...(expires === undefined ? {} : { expires: new Date(expires) }),
  };
  if (expected !== undefined && expected !== 0) {
    const { matchedCount } = await documents.replaceOne({ _id, revision: expected, ...unexpired() }, next);
    return matchedCount === 1 ? revision : undefined;
  }
  // An unconditional put replaces whatever is there, a unique insert only what has expired.
  const replaceable: Filter<Stored> =
    expected === undefined ? { _id } : { _id, expires: { $lte: new Date() } };
  for (;;) {
    try {
      await documents.replaceOne(replaceable, next, { upsert: true });
      return revision;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      if (expected === 0) return undefined; // the upsert met a document that lives
    }
  }
}

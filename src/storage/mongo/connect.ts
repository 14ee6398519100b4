// A connection to one facility's MongoDB database, and how the driver's failures become Tsela's. A connection string
// holds a password and the driver quotes it in parse errors, so those are never passed on.
import {
  MongoClient,
  MongoError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
  ReadConcern,
  type Db,
  type MongoClientOptions,
} from 'mongodb';
import { FhirError } from '../../errors.js';

export interface MongoOptions {
  /** A connection string of a replica set or a sharded cluster; its database part is not used. */
  readonly url: string;
  /** The facility's database: one facility, one database. */
  readonly database: string;
  /** More driver options, such as `tls`. */
  readonly driver?: MongoClientOptions;
}

export interface Connection {
  readonly client: MongoClient;
  readonly db: Db;
}

/** Writes are acknowledged by a majority and journalled; reads see only what a majority has. */
export const concerns = {
  writeConcern: { w: 'majority', j: true },
  readConcern: new ReadConcern('majority'),
  readPreference: 'primary',
} as const;

/** @throws FhirError `unavailable` within about 5 s where no server answers or it has no transactions. */
export async function connect(options: MongoOptions): Promise<Connection> {
  let client: MongoClient;
  try {
    client = new MongoClient(options.url, {
      serverSelectionTimeoutMS: 5_000,
      connectTimeoutMS: 5_000,
      socketTimeoutMS: 30_000,
      maxPoolSize: 30,
      appName: 'tsela',
      ...options.driver,
    });
  } catch {
    throw new FhirError(
      'unavailable',
      'The MongoDB connection string is malformed (mongodb://host:port/ is expected).',
    );
  }
  try {
    return await reaching(async () => {
      await client.connect();
      // Said here and not to the client, where a connection string could ask for less.
      const db = client.db(options.database, concerns);
      const hello = await db.command({ hello: 1 });
      if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid') {
        throw new FhirError(
          'unavailable',
          'MongoDB must run as a replica set or a sharded cluster: a standalone server has no transactions.',
        );
      }
      return { client, db };
    });
  } catch (error) {
    await client.close().catch(() => undefined);
    throw error;
  }
}

/** Runs the work; a database that cannot be reached becomes FhirError `unavailable` with the driver's error as cause. */
export async function reaching<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translated(error);
  }
}

/** `reaching` for iterations. */
export async function* reachingEach<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* items;
  } catch (error) {
    throw translated(error);
  }
}

/** NotWritablePrimary and its kin, shutdown, and network failures between the servers. */
const outOfService = new Set([6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]);
const timeExpired = new Set([50, 202, 290]);

function translated(error: unknown): unknown {
  const unreachable =
    error instanceof MongoNetworkError ||
    error instanceof MongoServerSelectionError ||
    error instanceof MongoNotConnectedError ||
    error instanceof MongoTopologyClosedError ||
    (error instanceof MongoError &&
      (error.name === 'MongoPoolClearedError' || error.name === 'MongoPoolClosedError')) ||
    (error instanceof MongoServerError && outOfService.has(Number(error.code)));
  if (unreachable) return new FhirError('unavailable', 'The database cannot be reached.', { cause: error });
  if (error instanceof MongoServerError && timeExpired.has(Number(error.code))) {
    return new FhirError('timeout', 'The database did not answer in time.', { cause: error });
  }
  return error;
}

export const isDuplicate = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === 11000;

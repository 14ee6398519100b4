// The store contract on SQLite: as it ships, and once more with limits so small that few resources are searched the
// ways of many (windows, chains that are too long to collect, steps handed to the readers' thread).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore, type SqliteOptions } from '../../src/storage/sqlite/store.js';
import { storeContract, type StoreUnderTest } from './store.js';

const prepare =
  (more: Omit<SqliteOptions, 'path'> = {}) =>
  async (): Promise<StoreUnderTest> => {
    const folder = await mkdtemp(join(tmpdir(), 'tsela-store-'));
    return {
      open: () => openSqliteStore({ path: join(folder, 'new', 'store.sqlite'), ...more }),
      dispose: () => rm(folder, { recursive: true }),
    };
  };

storeContract('SQLite', prepare());
storeContract(
  'SQLite, small limits',
  prepare({ limits: { few: 1, many: 3, probe: 2, chain: 2, window: 2, stepMs: 0, patienceMs: 0 } }),
);

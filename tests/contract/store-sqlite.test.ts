// The store contract on SQLite.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/storage/sqlite/store.js';
import { storeContract } from './store.js';

storeContract('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tsela-store-'));
  return {
    open: () => openSqliteStore({ path: join(folder, 'new', 'store.sqlite') }),
    dispose: () => rm(folder, { recursive: true }),
  };
});

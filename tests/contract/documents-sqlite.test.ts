// The documents contract on SQLite.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteDocuments } from '../../src/storage/sqlite/documents.js';
import { documentsContract } from './documents.js';

documentsContract('SQLite', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tsela-documents-'));
  return {
    open: () => openSqliteDocuments({ path: join(folder, 'new', 'documents.sqlite') }),
    dispose: () => rm(folder, { recursive: true }),
  };
});

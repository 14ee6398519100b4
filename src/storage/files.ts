// The files port: large bodies (Binary above a limit, exports, backups) outside the database.
// tests/contract/files.ts holds every adapter to it.
import type { Readable } from 'node:stream';

export interface Files {
  /** Stores the stream under the name, whole or not at all, durable before it resolves; answers its size in bytes. */
  write(name: string, content: Readable | Uint8Array): Promise<number>;
  /** The content, or undefined where there is none; `range` is in bytes, end inclusive. */
  read(name: string, range?: { start: number; end: number }): Promise<Readable | undefined>;
  size(name: string): Promise<number | undefined>;
  delete(name: string): Promise<boolean>;
  list(prefix: string): AsyncIterable<string>;
  close(): Promise<void>;
}

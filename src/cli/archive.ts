// Several files as one: each with its name and size before it and its SHA-256 behind, and a line at the end that says that
// there are no more. Read from front to back; what was changed or cut off is not taken for whole.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Problem } from './problem.js';

/** The first line. */
export const archiveMark = Buffer.from('tsela archive 1\n');
const endLine = 'end';
const hashLength = 32;
/** A line is the head of a file: its name is below a data folder. */
const longestLine = 1000;
const nameForm =
  /^(?:facilities\/[a-z][a-z0-9-]{0,31}\/)?(?:tsela\.sqlite|documents\.sqlite|audit\/[A-Za-z0-9][A-Za-z0-9._-]{0,100})$/;

export async function* archived(files: readonly { name: string; path: string }[]): AsyncGenerator<Buffer> {
  yield archiveMark;
  for (const { name, path } of files) {
    const { size } = await stat(path);
    yield Buffer.from(`${JSON.stringify([name, size])}\n`);
    const hash = createHash('sha256');
    if (size > 0) {
      for await (const chunk of createReadStream(path, { end: size - 1 })) {
        hash.update(chunk as Buffer);
        yield chunk as Buffer;
      }
    }
    yield hash.digest();
  }
  yield Buffer.from(`${endLine}\n`);
}

/**
 * Writes the files of an archive below the folder, each on disk; answers their names.
 * @throws Problem where it is not whole
 */
export async function unpack(content: AsyncIterable<Buffer>, folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  const reader = readerOf(content);
  if (!(await reader.take(archiveMark.length)).equals(archiveMark)) throw damaged();
  for (;;) {
    const line = await reader.line();
    if (line === endLine) break;
    const [name, size] = headOf(line);
    const hash = createHash('sha256');
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await fill(path, async file => {
      for (let left = size; left > 0;) {
        const bytes = await reader.some(left);
        hash.update(bytes);
        await file.writeFile(bytes);
        left -= bytes.length;
      }
    });
    if (!(await reader.take(hashLength)).equals(hash.digest())) throw damaged();
    names.push(name);
  }
  // What is encrypted shows only at its end that it is whole.
  if (!(await reader.isEnded())) throw damaged();
  return names;
}

const damaged = (): Problem => new Problem('The backup was damaged or cut off.', 'Take another one.');

function headOf(line: string): readonly [name: string, size: number] {
  try {
    const [name, size] = JSON.parse(line) as [unknown, unknown];
    if (
      typeof name === 'string' &&
      nameForm.test(name) &&
      Number.isSafeInteger(size) &&
      (size as number) >= 0
    )
      return [name, size as number];
  } catch {
    // told below
  }
  throw damaged();
}

async function fill(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

interface Reader {
  /** At least one byte, at most so many. */
  some(most: number): Promise<Buffer>;
  take(length: number): Promise<Buffer>;
  line(): Promise<string>;
  isEnded(): Promise<boolean>;
}

function readerOf(content: AsyncIterable<Buffer>): Reader {
  const chunks = content[Symbol.asyncIterator]();
  let kept: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    while (kept.length === 0) {
      const next = await chunks.next();
      if (next.done === true) return false;
      kept = next.value;
    }
    return true;
  };
  const some = async (most: number): Promise<Buffer> => {
    if (!(await more())) throw damaged();
    const bytes = kept.subarray(0, most);
    kept = kept.subarray(bytes.length);
    return bytes;
  };
  const take = async (length: number): Promise<Buffer> => {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; left -= parts.at(-1)!.length) parts.push(await some(left));
    return Buffer.concat(parts);
  };
  return {
    some,
    take,
    async line() {
      const bytes: number[] = [];
      for (;;) {
        const [byte] = await take(1);
        if (byte === 10) return Buffer.from(bytes).toString();
        if (bytes.push(byte!) > longestLine) throw damaged();
      }
    },
    isEnded: async () => !(await more()),
  };
}

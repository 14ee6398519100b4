// Files to load from: a folder, a zip archive or a single file, each entry read as text piece by piece.
// https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
import { createReadStream } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip, createInflateRaw } from 'node:zlib';
import { Unreadable } from './csv.js';

export interface Entry {
  /** Path within the folder or archive, with slashes. */
  readonly name: string;
  text(): AsyncIterable<string>;
}

/** All files there are. */
export async function entriesOf(path: string): Promise<readonly Entry[]> {
  if ((await stat(path)).isDirectory()) {
    const names = await readdir(path, { recursive: true, withFileTypes: true });
    return names.filter(one => one.isFile()).map(one => fileEntry(join(one.parentPath, one.name)));
  }
  return /\.zip$/i.test(path) ? zipEntries(path) : [fileEntry(path)];
}

const fileEntry = (path: string): Entry => ({
  name: path.replaceAll('\\', '/'),
  text: () => {
    const bytes = createReadStream(path);
    return decoded(path.endsWith('.gz') ? bytes.pipe(createGunzip()) : bytes);
  },
});

async function* decoded(stream: Readable): AsyncGenerator<string> {
  stream.setEncoding('utf8');
  for await (const chunk of stream) yield chunk as string;
}

/** The lines of an entry, without their ends. */
export async function* linesOf(entry: Entry): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of entry.text()) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  if (rest !== '') yield rest;
}

const endMark = 0x06054b50;
const entryMark = 0x02014b50;

async function zipEntries(path: string): Promise<readonly Entry[]> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    // The end of the directory is within the last 64 kB: behind it there is only a comment.
    const tail = Buffer.alloc(Math.min(size, 65_557));
    await file.read(tail, 0, tail.length, size - tail.length);
    let end = tail.length - 22;
    while (end >= 0 && tail.readUInt32LE(end) !== endMark) end--;
    if (end < 0) throw new Unreadable(`${basename(path)} is not a zip archive.`);
    const count = tail.readUInt16LE(end + 10);
    const [length, start] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
    if (count === 0xffff || start === 0xffffffff)
      throw new Unreadable(
        `${basename(path)} is a zip archive of the large kind: unpack it and give the folder.`,
      );
    const directory = Buffer.alloc(length);
    await file.read(directory, 0, length, start);
    const found: Entry[] = [];
    for (let at = 0, i = 0; i < count; i++) {
      if (directory.readUInt32LE(at) !== entryMark) throw new Unreadable(`${basename(path)} is damaged.`);
      const method = directory.readUInt16LE(at + 10);
      const packed = directory.readUInt32LE(at + 20);
      const nameLength = directory.readUInt16LE(at + 28);
      const place = directory.readUInt32LE(at + 42);
      const name = directory.toString('utf8', at + 46, at + 46 + nameLength);
      if (!name.endsWith('/'))
        found.push({ name, text: () => zipText(path, { name, method, packed, place }) });
      at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
    }
    return found;
  } finally {
    await file.close();
  }
}

interface Packed {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly packed: number;
  readonly place: number;
}

async function* zipText(path: string, { name, method, packed, place }: Packed): AsyncGenerator<string> {
  if (method !== 0 && method !== 8)
    throw new Unreadable(`${name} is packed in a way that is not understood.`);
  if (packed === 0) return;
  const file = await open(path);
  let start: number;
  try {
    const head = Buffer.alloc(30);
    await file.read(head, 0, 30, place);
    start = place + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  } finally {
    await file.close();
  }
  const bytes = createReadStream(path, { start, end: start + packed - 1 });
  yield* decoded(method === 0 ? bytes : bytes.pipe(createInflateRaw()));
}

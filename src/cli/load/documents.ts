// A source's bytes as JSON texts: one for a JSON file, one per line for NDJSON. Which of the two it is shows in the name
// or, failing that, in the first line: if that is whole JSON, lines follow. Gzip is recognised by its first bytes.
// http://ndjson.org, RFC 1952
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Source } from './sources.js';

export interface Document {
  readonly text: Buffer;
  /** From 1; undefined where the text is all there is. */
  readonly line: number | undefined;
  /** Bytes of the source that were read for it, as stored. */
  readonly weight: number;
}

/** Throws what opening, reading or inflating throws. */
export async function* documents(source: Source): AsyncGenerator<Document> {
  let read = 0;
  let weighed = 0;
  const weigh = (): number => {
    const weight = read - weighed;
    weighed = read;
    return weight;
  };
  const stored = await source.open();
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of stored as AsyncIterable<Buffer | Uint8Array>) {
      read += chunk.length;
      yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    }
  };

  // Until the second line is seen, the first may be all there is.
  let first: Document | undefined;
  let whole: Buffer[] | undefined;
  for await (const { text, line } of linesOf(inflated(counted()))) {
    if (whole) {
      whole.push(text);
      continue;
    }
    if (isBlank(text)) continue;
    if (first === undefined && line === 1 && !source.lines && !isJson(text)) {
      whole = [text];
      continue;
    }
    const document = { text, line, weight: weigh() };
    if (line === 1 && !source.lines) first = document;
    else {
      if (first) yield first;
      first = undefined;
      yield document;
    }
  }
  if (whole) yield { text: Buffer.concat(whole), line: undefined, weight: weigh() };
  else if (first) yield { ...first, line: undefined };
}

function isJson(text: Buffer): boolean {
  try {
    JSON.parse(text.toString());
    return true;
  } catch {
    return false;
  }
}

function isBlank(text: Buffer): boolean {
  for (const byte of text) if (byte !== 32 && byte !== 9 && byte !== 10 && byte !== 13) return false;
  return true;
}

async function* inflated(chunks: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < 3) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  const rest = async function* (): AsyncGenerator<Buffer> {
    yield head;
    yield* chunks;
  };
  if (head[0] === 0x1f && head[1] === 0x8b) {
    const gunzip = createGunzip({ chunkSize: 1 << 18 });
    pipeline(Readable.from(rest()), gunzip, () => undefined); // a failure destroys gunzip with its error
    yield* gunzip as AsyncIterable<Buffer>;
  } else {
    const marked = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf; // byte order mark
    head = marked ? head.subarray(3) : head;
    yield* rest();
  }
}

/** Each line with its end, so that joined lines are the original bytes. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<{ text: Buffer; line: number }> {
  let open: Buffer[] = [];
  let line = 1;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      const tail = chunk.subarray(from, end + 1);
      yield { text: open.length === 0 ? tail : Buffer.concat([...open, tail]), line: line++ };
      open = [];
      from = end + 1;
    }
    if (from < chunk.length) open.push(chunk.subarray(from));
  }
  if (open.length > 0) yield { text: Buffer.concat(open), line };
}

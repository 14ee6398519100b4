// What `tsela load` reads: files, folders, http(s) addresses and standard input, gzipped or not. Folders are read in
// alphabetical order, but Synthea's hospitals and practitioners come first, as its patient files refer to them.
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { Problem, sentenceOf } from '../problem.js';

export interface Source {
  /** What failures are listed under: the path or address as given. */
  readonly label: string;
  /** Part of every Idempotency-Key: the file's own name, so that the same file is known again from any folder. */
  readonly name: string;
  /** Sources of a lower phase are finished before a higher one begins. */
  readonly phase: number;
  /** Bytes as stored; undefined where nobody knows. */
  readonly size: number | undefined;
  /** NDJSON for certain. */
  readonly lines: boolean;
  open(): Promise<Readable>;
}

/** @throws Problem where a path does not exist or a folder holds nothing to load. */
export async function findSources(paths: readonly string[]): Promise<Source[]> {
  const found: Source[] = [];
  for (const path of paths) {
    if (path === '-') found.push(standardInput());
    else if (/^https?:\/\//i.test(path)) found.push(address(path));
    else found.push(...(await fromDisk(path)));
  }
  return found.sort((a, b) => a.phase - b.phase);
}

async function fromDisk(path: string): Promise<Source[]> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new Problem(`${path} cannot be read: ${sentenceOf(cause)}`, undefined, { cause });
  });
  if (!info.isDirectory()) return [file(path, info.isFile() ? info.size : undefined)];
  const files = await filesIn(path);
  if (files.length === 0) {
    throw new Problem(
      `${path} holds nothing to load.`,
      'Files ending in .json, .ndjson or .jsonl are read, each also with .gz behind.',
    );
  }
  return Promise.all(files.map(async each => file(each, (await stat(each)).size)));
}

async function filesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  const names = (await readdir(folder)).filter(name => !name.startsWith('.')).sort();
  for (const name of names) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined); // a link that leads nowhere
    if (info?.isDirectory()) found.push(...(await filesIn(path)));
    else if (info?.isFile() && /\.(json|ndjson|jsonl)$/i.test(plainName(name))) found.push(path);
  }
  return found;
}

/** Without .gz and without what some shells and archivers leave at the end, such as a quote. */
const plainName = (name: string): string => name.replace(/\.gz$/i, '').replace(/[^A-Za-z0-9]+$/, '');

const isLines = (name: string): boolean => /\.(ndjson|jsonl)$/i.test(plainName(name));

const phaseOf = (name: string): number =>
  name.startsWith('hospitalInformation') ? 0 : name.startsWith('practitionerInformation') ? 1 : 2;

const file = (path: string, size: number | undefined): Source => {
  const name = basename(path);
  return {
    label: path,
    name: name.replace(/\.gz$/i, ''),
    phase: phaseOf(name),
    size,
    lines: isLines(name),
    open: () => Promise.resolve(createReadStream(path, { highWaterMark: 1 << 18 })),
  };
};

const standardInput = (): Source => ({
  label: 'standard input',
  name: '-',
  phase: 2,
  size: undefined,
  lines: false,
  open: () => Promise.resolve(process.stdin),
});

function address(url: string): Source {
  if (!URL.canParse(url)) throw new Problem(`${url} is not an address.`);
  const { pathname } = new URL(url);
  return {
    label: url,
    name: url,
    phase: phaseOf(basename(pathname)),
    size: undefined,
    lines: isLines(pathname),
    async open() {
      const response = await fetch(url, {
        headers: {
          accept: 'application/fhir+ndjson, application/fhir+json;q=0.9, application/json;q=0.8, */*;q=0.1',
        },
      }).catch((error: unknown) => {
        throw new Problem(`it cannot be fetched: ${sentenceOf((error as Error).cause ?? error)}`);
      });
      if (!response.ok || !response.body)
        throw new Problem(`the server answered ${response.status} ${response.statusText}`);
      return Readable.fromWeb(response.body);
    },
  };
}

/** Lines made on the spot, such as the sample's. */
export const made = (label: string, name: string, lines: Iterable<string>): Source => ({
  label,
  name,
  phase: 2,
  size: undefined,
  lines: true,
  open: () => Promise.resolve(Readable.from(withEnds(lines), { objectMode: true })),
});

function* withEnds(lines: Iterable<string>): Generator<Buffer> {
  for (const line of lines) yield Buffer.from(`${line}\n`);
}

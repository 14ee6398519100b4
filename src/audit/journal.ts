// The audit journal: a file of lines that is only ever appended to, each with a hash over itself and the line before, so
// that a line that is changed, removed or put between shows. A line is in the kernel's hands when `append` returns: it
// survives the death of the process; `synced` says when it survives that of the machine.
import { hash } from 'node:crypto';
import { closeSync, createReadStream, existsSync, fdatasync, fsyncSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'; // prettier-ignore
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { AuditEntry } from './audit-entry.js';

/** A place behind a line. */
export interface Place {
  /** Name of the file; '' before the first. */
  readonly file: string;
  /** Bytes from its start. */
  readonly offset: number;
  /** Of the line before it. */
  readonly hash: string;
}

export interface Line {
  readonly entry: AuditEntry;
  readonly after: Place;
}

export interface Journal {
  /** @param entry or its JSON, as another thread sends it */
  append(entry: AuditEntry | string): void;
  /** Resolves when everything appended before is on disk. Calls at the same time share a sync. */
  synced(): Promise<void>;
  /** Behind the last line. */
  readonly end: Place;
  /** Every line after the place, up to the present end, taken at their word: `verifiedLines` is who doubts them. */
  lines(after: Place): AsyncIterable<Line>;
  /** Removes files whose last line was written before the instant (ms) and lies before the place. */
  discard(before: number, upTo: Place): void;
  close(): Promise<void>;
}

export class BrokenJournal extends Error {
  constructor(
    readonly file: string,
    readonly line: number,
    why: string,
  ) {
    super(`The audit journal is broken at ${file}, line ${line}: ${why}`);
    this.name = 'BrokenJournal';
  }
}

export const beginning: Place = { file: '', offset: 0, hash: '' };

/** Appended lines are synced after so many ms where nobody asks for it sooner. */
const syncEvery = 1000;
/** A file that is longer is followed by a new one. */
const longest = 64 * 1024 ** 2;

const sync = promisify(fdatasync);
const hashOf = (before: string, json: string): string => hash('sha256', `${before}\n${json}`, 'base64url');
const named = /^audit-\d{8}\.log$/;
const filesIn = (folder: string): string[] => readdirSync(folder).filter(name => named.test(name)).sort(); // prettier-ignore
const nameOf = (number: number): string => `audit-${String(number).padStart(8, '0')}.log`;
const numberOf = (name: string): number => Number(name.slice(6, 14));

/**
 * Opens the journal of a folder, which one process at a time may have. A last line that was not written whole, for want
 * of power or room, was never answered for and is cut off.
 * @param reached a place the journal is known to have had; where it ends before that, `onLoss` is told
 */
export async function openJournal(
  folder: string,
  reached: Place = beginning,
  onLoss: (error: BrokenJournal) => void = () => undefined,
): Promise<Journal> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  let end = await endOf(folder);
  if (isBefore(end, reached)) {
    onLoss(new BrokenJournal(end.file, 0, 'lines that were there before are gone from its end.'));
    // No line may come to stand where another stood.
    end = { file: nameOf(numberOf(reached.file) + 1), offset: 0, hash: end.hash };
  }
  let file = openSync(join(folder, end.file), 'a', 0o600);
  syncFolder(folder);
  let written = 0;
  let onDisk = 0;
  let syncing: Promise<void> | undefined;
  let failure: Error | undefined;

  const append = (entry: AuditEntry | string): void => {
    if (failure !== undefined) throw failure;
    const json = typeof entry === 'string' ? entry : JSON.stringify(entry);
    const next = hashOf(end.hash, json);
    const line = Buffer.from(`${next} ${json}\n`);
    try {
      for (let at = 0; at < line.length;) at += writeSync(file, line, at);
    } catch (error) {
      // What follows half a line could not be read again.
      failure = new Error('The audit journal cannot be written.', { cause: error });
      throw failure;
    }
    end = { file: end.file, offset: end.offset + line.length, hash: next };
    written++;
    if (end.offset >= longest) turnOver();
  };
  const turnOver = (): void => {
    fsyncSync(file);
    closeSync(file);
    onDisk = written;
    end = { file: nameOf(numberOf(end.file) + 1), offset: 0, hash: end.hash };
    file = openSync(join(folder, end.file), 'a', 0o600);
    syncFolder(folder);
  };
  const synced = async (): Promise<void> => {
    const wanted = written;
    while (onDisk < wanted) {
      syncing ??= syncOnce().finally(() => (syncing = undefined));
      await syncing;
    }
  };
  const syncOnce = async (): Promise<void> => {
    const [upTo, descriptor] = [written, file];
    try {
      await sync(descriptor);
    } catch (error) {
      if (descriptor === file) throw error; // else turnOver has synced and closed it
    }
    onDisk = Math.max(onDisk, upTo);
  };
  const timer = setInterval(
    () =>
      void synced().catch(
        (error: unknown) => (failure = new Error('The audit journal cannot be synced.', { cause: error })),
      ),
    syncEvery,
  );
  timer.unref();

  return {
    append,
    synced,
    get end() {
      return end;
    },
    lines: after => linesOf(folder, after, end, false),
    discard(before, upTo) {
      for (const name of filesIn(folder))
        if (name < upTo.file && statSync(join(folder, name)).mtimeMs < before) rmSync(join(folder, name));
    },
    async close() {
      clearInterval(timer);
      await synced();
      closeSync(file);
    },
  };
}

/** Every line of a folder's journal, from the oldest file there is. @throws BrokenJournal where the chain does not hold */
export async function* verifiedLines(folder: string): AsyncIterable<Line> {
  if (existsSync(folder)) yield* linesOf(folder, beginning, undefined, true);
}

const isBefore = (one: Place, other: Place): boolean =>
  one.file < other.file || (one.file === other.file && one.offset < other.offset);

/** Follows the chain; the first line of the oldest file is taken at its word for the one before it. */
async function* linesOf(
  folder: string,
  after: Place,
  upTo: Place | undefined,
  isStrict: boolean,
): AsyncGenerator<Line> {
  let last = after.hash;
  for (const file of filesIn(folder)) {
    if (file < after.file) continue;
    const start = file === after.file ? after.offset : 0;
    const size = upTo !== undefined && file === upTo.file ? upTo.offset : statSync(join(folder, file)).size;
    let offset = start;
    let number = 0;
    if (size <= start) continue;
    for await (const text of textLines(join(folder, file), start, size)) {
      number++;
      const [claimed, json] = [text.slice(0, 43), text.slice(44)];
      // The first line there is stands alone where older files were discarded.
      const isFirst = last === '' && offset === 0 && file !== nameOf(1);
      if (isStrict && !isFirst && hashOf(last, json) !== claimed)
        throw new BrokenJournal(file, number, 'it does not follow from the line before it.');
      offset += Buffer.byteLength(text) + 1;
      last = claimed;
      const entry = entryIn(json);
      if (entry !== undefined) yield { entry, after: { file, offset, hash: claimed } };
      else if (isStrict) throw new BrokenJournal(file, number, 'it is not JSON.');
    }
    if (upTo !== undefined && file === upTo.file) return;
  }
}

/** Lines between two offsets. Parted at line feeds only: JSON may hold other characters that some take for the end of a line. */
async function* textLines(path: string, start: number, end: number): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { start, end: end - 1 })) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    let at = 0;
    for (let feed = rest.indexOf(10); feed >= 0; feed = rest.indexOf(10, at)) {
      yield rest.toString('utf8', at, feed);
      at = feed + 1;
    }
    rest = rest.subarray(at);
  }
}

function entryIn(json: string): AuditEntry | undefined {
  try {
    return JSON.parse(json) as AuditEntry;
  } catch {
    return undefined;
  }
}

/** Where the next line goes. */
async function endOf(folder: string): Promise<Place> {
  const files = filesIn(folder);
  const last = files.at(-1);
  if (last === undefined) return { file: nameOf(1), offset: 0, hash: '' };
  cutHalfLine(join(folder, last));
  let place: Place = { file: last, offset: 0, hash: '' };
  // The newest file may hold nothing yet: its predecessor has the last hash.
  for await (const { after } of linesOf(folder, { ...beginning, file: files.at(-2) ?? '' }, undefined, false))
    place = after;
  return place.file === last ? place : { file: last, offset: 0, hash: place.hash };
}

function cutHalfLine(path: string): void {
  const bytes = readFileSync(path);
  const whole = bytes.lastIndexOf(10) + 1;
  if (whole < bytes.length) truncateSync(path, whole);
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  fsyncSync(handle);
  closeSync(handle);
}

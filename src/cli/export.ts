// tsela export: one NDJSON file per resource type, from a running server by paging, or from the data of a stopped one by
// reading through. A file appears under its name when it is whole. http://ndjson.org
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { isObject, objectsOf, parseJson, writeJson, type Json, type JsonObject } from '../fhir/json.js';
import { overHttp, type Sender } from './load/sender.js';
import { Problem, sentenceOf } from './problem.js';
import { grouped, showProgress, type Progress } from './progress.js';
import { greeted, headersOf, oneTarget, openSystem, type TargetOptions } from './target.js';

export interface ExportOptions extends TargetOptions {
  /** Resource types; all where absent. */
  readonly type?: readonly string[];
  readonly out: string;
  readonly quiet?: boolean;
}

interface Exported {
  readonly type: string;
  /** The resource's JSON on one line. */
  readonly text: string;
}

const pageSize = 500;

export async function exportResources(options: ExportOptions): Promise<number> {
  await oneTarget(options);
  await mkdir(options.out, { recursive: true, mode: 0o700 });
  const progress = showProgress({ noun: 'resources', totalBytes: undefined, quiet: options.quiet ?? false });
  let counts: ReadonlyMap<string, number>;
  try {
    counts = await (options.url === undefined ? fromStore(options, progress) : fromServer(options, progress));
  } finally {
    progress.finish();
  }
  for (const [type, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    process.stdout.write(`${grouped(count).padStart(12)}  ${join(options.out, `${type}.ndjson`)}\n`);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  process.stdout.write(
    `${grouped(total).padStart(12)}  resources in ${counts.size} ${counts.size === 1 ? 'file' : 'files'}\n`,
  );
  return 0;
}

async function fromStore(options: ExportOptions, progress: Progress): Promise<ReadonlyMap<string, number>> {
  const { system } = await openSystem(options, { mustExist: true });
  try {
    const { resourceTypes } = await import('../fhir/definitions.js');
    const unknown = options.type?.find(type => !resourceTypes().has(type));
    if (unknown !== undefined)
      throw new Problem(`--type ${unknown}: there is no such resource type in FHIR R4.`);
    const resources = async function* (): AsyncGenerator<Exported> {
      for await (const { ref, body } of system.store.scan(options.type ?? [])) {
        if (body) yield { type: ref.type, text: oneLine(Buffer.from(body).toString()) };
      }
    };
    return await writeAll(options.out, resources(), progress);
  } finally {
    await system.close();
  }
}

async function fromServer(options: ExportOptions, progress: Progress): Promise<ReadonlyMap<string, number>> {
  const sender = await greeted(overHttp(options.url ?? '', headersOf(options.header), 1));
  try {
    const types = options.type ?? (await typesOf(sender));
    const resources = async function* (): AsyncGenerator<Exported> {
      for (const type of types) yield* pages(sender, type);
    };
    return await writeAll(options.out, resources(), progress);
  } finally {
    await sender.close();
  }
}

/** Every type the server's CapabilityStatement lets one search. */
async function typesOf(sender: Sender): Promise<string[]> {
  const statement = await get(sender, 'metadata', []);
  const [rest] = objectsOf(statement['rest']);
  return objectsOf(rest?.['resource'])
    .filter(resource => objectsOf(resource['interaction']).some(({ code }) => code === 'search-type'))
    .map(resource => resource['type'])
    .filter(type => typeof type === 'string' && /^[A-Za-z]+$/.test(type)) as string[];
}

async function* pages(sender: Sender, type: string): AsyncGenerator<Exported> {
  let page: JsonObject | undefined = await get(sender, type, [['_count', String(pageSize)]]);
  while (page) {
    for (const { resource, search } of objectsOf(page['entry'])) {
      // An outcome about the search is not part of what is stored.
      if (isObject(resource) && !(isObject(search) && search['mode'] === 'outcome'))
        yield { type, text: writeJson(resource) };
    }
    const link: JsonObject | undefined = objectsOf(page['link']).find(({ relation }) => relation === 'next');
    const next: Json | undefined = link?.['url'];
    page = typeof next === 'string' ? await get(sender, ...below(sender.base, next)) : undefined;
  }
}

/** The path and query of a page link; a server behind a proxy may know itself by another address. */
function below(base: string, link: string): [path: string, query: [string, string][]] {
  const { pathname, searchParams } = new URL(link, `${base}/`);
  const root = new URL(base).pathname.replace(/\/$/, '');
  return [
    pathname.startsWith(`${root}/`) ? pathname.slice(root.length + 1) : pathname.slice(1),
    [...searchParams],
  ];
}

async function get(
  sender: Sender,
  path: string,
  query: readonly (readonly [string, string])[],
): Promise<JsonObject> {
  let answer;
  try {
    answer = await sender.send({ method: 'GET', path, query, headers: { accept: 'application/fhir+json' } });
  } catch (cause) {
    throw new Problem(
      `${sender.base} stopped answering: ${sentenceOf(cause)}`,
      'Export again; nothing half-written is left.',
      { cause },
    );
  }
  const body = answer.status === 200 ? parseJson(answer.body) : undefined;
  if (isObject(body)) return body;
  const said = answer.body.slice(0, 300).replace(/\s+/g, ' ');
  throw new Problem(`${sender.base}/${path} answered ${answer.status}: ${said}`);
}

/** Stored bytes are as they were posted, line ends between elements included. */
const oneLine = (text: string): string => (/[\r\n]/.test(text) ? writeJson(parseJson(text)) : text);

/** Writes each type's file under a name ending in .part, and renames all at the end. */
async function writeAll(
  folder: string,
  resources: AsyncIterable<Exported>,
  progress: Progress,
): Promise<ReadonlyMap<string, number>> {
  const files = new Map<string, { stream: WriteStream; count: number; partial: string }>();
  let broken: Error | undefined;
  try {
    for await (const { type, text } of resources) {
      let file = files.get(type);
      if (!file) {
        const partial = join(folder, `${type}.ndjson.part`);
        file = { stream: createWriteStream(partial, { mode: 0o600 }), count: 0, partial };
        file.stream.on('error', error => (broken = error));
        files.set(type, file);
      }
      if (broken) throw broken;
      file.count++;
      progress.tally.done++;
      if (!file.stream.write(`${text}\n`)) await drained(file.stream);
    }
    for (const { stream } of files.values()) {
      stream.end();
      if (!stream.closed) await once(stream, 'close');
      if (broken) throw broken;
    }
    for (const [type, { partial }] of files) await rename(partial, join(folder, `${type}.ndjson`));
  } catch (error) {
    for (const { stream, partial } of files.values()) {
      stream.destroy();
      await rm(partial, { force: true });
    }
    throw error instanceof Problem
      ? error
      : new Problem(`The export failed: ${sentenceOf(error)}`, undefined, { cause: error });
  }
  return new Map([...files].map(([type, { count }]) => [type, count]));
}

/** Resolves when the stream takes more, or has ended in an error. */
const drained = (stream: WriteStream): Promise<void> =>
  new Promise(resolve => {
    const settle = (): void => {
      stream.off('drain', settle).off('close', settle);
      resolve();
    };
    stream.on('drain', settle).on('close', settle);
  });

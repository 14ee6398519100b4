// What a store does beside requests: scan, counts, expunge, index, check.
import { isDeepStrictEqual } from 'node:util';
import type { AnyBulkWriteOperation, ClientSession, Document } from 'mongodb';
import { refKey, type Ref } from '../../fhir/resource.js';
import type { Portion, RowsOf, Version } from '../store.js';
import { concerns, type Connection } from './connect.js';
import { indexFields, type IndexFields } from './fields.js';
import { asFilter } from './filter.js';
import { versionOf } from './history.js';
import type { Current, Layout, LogRow } from './layout.js';
import { refOf } from './log.js';

/** Documents fetched at a time and type. */
const slice = 100;

export async function* scan(layout: Layout, types: readonly string[]): AsyncGenerator<Version> {
  for await (const { type, document } of inOrder(layout, types))
    yield await versionOf(layout, type, document);
}

/** Living documents of a type in order of creation, slice by slice. */
async function* slices(layout: Layout, type: string): AsyncGenerator<Current[]> {
  for (let last = 0; ;) {
    const options = { sort: { o: 1 }, limit: slice, batchSize: slice + 1, hint: 'created' } as const;
    const documents = await layout
      .type(type)
      .find({ o: { $gt: last } }, options)
      .toArray();
    if (documents.length === 0) return;
    last = documents.at(-1)!.o;
    yield documents;
  }
}

interface Walk {
  readonly type: string;
  readonly slices: AsyncGenerator<Current[]>;
  rest: Current[];
}

/** In order of creation across types: the lowest of each type's next. */
async function* inOrder(
  layout: Layout,
  types: readonly string[],
): AsyncGenerator<{ type: string; document: Current }> {
  const refill = async (walk: Walk): Promise<boolean> => {
    if (walk.rest.length === 0) walk.rest = ((await walk.slices.next()).value as Current[] | undefined) ?? [];
    return walk.rest.length > 0;
  };
  let open: Walk[] = [];
  for (const type of await layout.types()) {
    if (types.length > 0 && !types.includes(type)) continue;
    const walk = { type, slices: slices(layout, type), rest: [] };
    if (await refill(walk)) open.push(walk);
  }
  while (open.length > 0) {
    const lowest = open.reduce((one, other) => (other.rest[0]!.o < one.rest[0]!.o ? other : one));
    yield { type: lowest.type, document: lowest.rest.shift()! };
    if (!(await refill(lowest))) open = open.filter(walk => walk !== lowest);
  }
}

export async function counts(layout: Layout): Promise<Map<string, number>> {
  const result = new Map<string, number>();
  for (const type of await layout.types()) {
    const n = await layout.type(type).countDocuments({ o: { $gt: 0 } }, { hint: 'created' });
    if (n > 0) result.set(type, n);
  }
  return result;
}

/** Versions removed. Log rows become empty ones: their numbers stay, what they pointed to is forgotten. */
export async function expunge(
  connection: Connection,
  layout: Layout,
  ref: Ref,
  what: 'history' | 'everything',
): Promise<number> {
  const session = connection.client.startSession({ causalConsistency: false });
  try {
    return await session.withTransaction(() => expungeOnce(layout, session, ref, what), {
      readConcern: { level: 'snapshot' },
      writeConcern: concerns.writeConcern,
      readPreference: concerns.readPreference,
    });
  } finally {
    await session.endSession();
  }
}

async function expungeOnce(
  layout: Layout,
  session: ClientSession,
  ref: Ref,
  what: 'history' | 'everything',
): Promise<number> {
  const key = refKey(ref);
  const current = await layout.type(ref.type).findOne({ _id: ref.id }, { session, projection: { v: 1 } });
  if (!current) return 0;
  const versions = { r: key, ...(what === 'history' ? { v: { $lt: current.v } } : {}) };
  const { deletedCount } = await layout.history.deleteMany(versions, { session });
  await layout.chunks.deleteMany(versions, { session });
  await layout.log.updateMany(versions, { $unset: { t: '', r: '', v: '', m: '', lu: '' } }, { session });
  if (what === 'history') return deletedCount;
  await layout.claims.deleteMany({ r: key }, { session });
  await layout.type(ref.type).deleteOne({ _id: ref.id }, { session });
  return deletedCount + 1;
}

const indexNames = ['k', 'd', 'n', 'c', 'w', 'a', 'z'] as const satisfies readonly (keyof IndexFields)[];

/** `next` is the type and the order of creation where to go on. */
export async function indexSome(
  layout: Layout,
  { types, after, count }: Portion,
  rowsOf: RowsOf,
): Promise<{ done: number; next?: string }> {
  const [at = '', order = '0'] = after.split(' ');
  for (const type of await layout.types()) {
    if (type < at || (types.length > 0 && !types.includes(type))) continue;
    const last = type === at ? Number(order) : 0;
    const options = { sort: { o: 1 }, limit: count, batchSize: slice + 1, hint: 'created' } as const;
    let done = 0;
    let reached = last;
    let updates: AnyBulkWriteOperation<Current>[] = [];
    const flush = async (): Promise<void> => {
      if (updates.length > 0) await layout.type(type).bulkWrite(updates, { ordered: false });
      updates = [];
    };
    for await (const document of layout.type(type).find({ o: { $gt: last } }, options)) {
      updates.push(await indexing(layout, type, document, rowsOf));
      done++;
      reached = document.o;
      if (updates.length === slice) await flush();
    }
    await flush();
    if (done > 0) return { done, next: `${type} ${reached}` };
  }
  return { done: 0 };
}

async function indexing(
  layout: Layout,
  type: string,
  document: Current,
  rowsOf: RowsOf,
): Promise<AnyBulkWriteOperation<Current>> {
  const fields = indexFields(rowsOf(await versionOf(layout, type, document)));
  const absent = indexNames.filter(name => fields[name] === undefined);
  const update: Document = {
    ...(Object.keys(fields).length > 0 ? { $set: fields } : {}),
    ...(absent.length > 0 ? { $unset: Object.fromEntries(absent.map(name => [name, ''])) } : {}),
  };
  // A version written meanwhile has rows of its own.
  return { updateOne: { filter: asFilter({ _id: document._id, v: document.v }), update } };
}

export async function* check(layout: Layout, rowsOf: RowsOf): AsyncGenerator<string> {
  for (const type of await layout.types()) {
    for await (const documents of slices(layout, type)) {
      const keys = documents.map(document => `${type}/${document._id}`);
      const logged = new Set<string>();
      for await (const row of layout.log.find({ r: { $in: keys } })) logged.add(`${row.r!}/${row.v!}`);
      for (const document of documents) yield* checkDocument(layout, type, document, rowsOf, logged);
    }
  }
  for (let last = 0; ;) {
    const rows = await layout.log.find({ _id: { $gt: last } }, { sort: { _id: 1 }, limit: slice }).toArray();
    if (rows.length === 0) break;
    last = rows.at(-1)!._id;
    yield* checkLogRows(
      layout,
      rows.filter(row => row.r !== undefined),
    );
  }
  for await (const claim of layout.claims.find({})) {
    const { type, id } = refOf(claim.r);
    const owner = await layout
      .type(type)
      .findOne({ _id: id, o: { $gt: 0 }, cl: true }, { projection: { _id: 1 } });
    if (!owner) yield `claim ${claim._id}: its owner ${claim.r} is not there or does not know of it`;
  }
}

async function* checkDocument(
  layout: Layout,
  type: string,
  document: Current,
  rowsOf: RowsOf,
  logged: ReadonlySet<string>,
): AsyncGenerator<string> {
  const key = `${type}/${document._id}`;
  const fields = indexFields(rowsOf(await versionOf(layout, type, document)));
  for (const name of indexNames) {
    if (!sameFields(fields[name], document[name]))
      yield `${key}: stored index field '${name}' differs from its body`;
  }
  if (!logged.has(`${key}/${document.v}`)) yield `${key}: version ${document.v} is not in the change log`;
}

/** What the log points to is there, once: current or past. */
async function* checkLogRows(layout: Layout, rows: readonly LogRow[]): AsyncGenerator<string> {
  const past = new Set<string>();
  const current = new Set<string>();
  const versions = rows.map(row => `${row.r!}/${row.v!}`);
  for (const type of new Set(rows.map(row => row.t!))) {
    const ids = rows.filter(row => row.t === type).map(row => refOf(row.r!).id);
    const found = layout.type(type).find({ _id: { $in: ids } }, { projection: { v: 1 } });
    for await (const document of found) current.add(`${type}/${document._id}/${document.v}`);
  }
  for await (const { _id } of layout.history.find({ _id: { $in: versions } }, { projection: { _id: 1 } }))
    past.add(_id);
  for (const [i, version] of versions.entries()) {
    const place = `change log ${rows[i]!._id}: ${version}`;
    if (!past.has(version) && !current.has(version)) yield `${place} is not there`;
    if (past.has(version) && current.has(version)) yield `${place} is both current and past`;
  }
}

/** Order within an array does not matter: rows are a set. */
function sameFields(made: unknown, stored: unknown): boolean {
  if (!Array.isArray(made) || !Array.isArray(stored)) return isDeepStrictEqual(made, stored);
  const texts = (list: readonly unknown[]): string[] => list.map(item => JSON.stringify(item)).sort();
  return isDeepStrictEqual(texts(made), texts(stored));
}

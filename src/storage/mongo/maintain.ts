// What a store does beside requests: scan, counts, expunge, reindex, check.
import { isDeepStrictEqual } from 'node:util';
import type { ClientSession, Document } from 'mongodb';
import { refKey, type Ref } from '../../fhir/resource.js';
import type { RowsOf, Version } from '../store.js';
import { concerns, type Connection } from './connect.js';
import { indexFields, type IndexFields } from './fields.js';
import { asFilter } from './filter.js';
import type { Current, Layout, LogRow } from './layout.js';
import { versionOf } from './search.js';

/** Documents fetched at a time and type. */
const slice = 100;

/** In order of creation across types: the lowest of each type's next, slice by slice. */
export async function* scan(layout: Layout, types: readonly string[]): AsyncGenerator<Version> {
  for await (const { type, document } of documents(layout, types))
    yield await versionOf({ layout }, type, document);
}

interface Walk {
  readonly type: string;
  rest: Current[];
  last: number;
}

async function* documents(
  layout: Layout,
  types: readonly string[],
): AsyncGenerator<{ type: string; document: Current }> {
  const there = await layout.types();
  const walks: Walk[] = there
    .filter(type => types.length === 0 || types.includes(type))
    .map(type => ({ type, rest: [], last: 0 }));
  const refill = async (walk: Walk): Promise<boolean> => {
    if (walk.rest.length > 0) return true;
    const options = { sort: { o: 1 }, limit: slice, hint: 'created' } as const;
    walk.rest = await layout
      .type(walk.type)
      .find({ o: { $gt: walk.last } }, options)
      .toArray();
    walk.last = walk.rest.at(-1)?.o ?? walk.last;
    return walk.rest.length > 0;
  };
  let open: Walk[] = [];
  for (const walk of walks) if (await refill(walk)) open.push(walk);
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

const indexNames = ['k', 'd', 'n', 'c', 'a', 'z'] as const satisfies readonly (keyof IndexFields)[];

export async function reindex(
  layout: Layout,
  rowsOf: RowsOf,
  progress?: (done: number) => void,
): Promise<number> {
  let done = 0;
  for await (const { type, document } of documents(layout, [])) {
    const fields = indexFields(rowsOf(await versionOf({ layout }, type, document)));
    const absent = indexNames.filter(name => fields[name] === undefined);
    const update: Document = {
      ...(Object.keys(fields).length > 0 ? { $set: fields } : {}),
      ...(absent.length > 0 ? { $unset: Object.fromEntries(absent.map(name => [name, ''])) } : {}),
    };
    // A version written meanwhile has rows of its own.
    await layout.type(type).updateOne(asFilter({ _id: document._id, v: document.v }), update);
    if (++done % slice === 0) progress?.(done);
  }
  progress?.(done);
  return done;
}

export async function* check(layout: Layout, rowsOf: RowsOf): AsyncGenerator<string> {
  for await (const { type, document } of documents(layout, [])) {
    const key = `${type}/${document._id}`;
    const version = await versionOf({ layout }, type, document);
    const fields = indexFields(rowsOf(version));
    for (const name of indexNames) {
      if (!sameFields(fields[name], document[name]))
        yield `${key}: stored index field '${name}' differs from its body`;
    }
    const row = await layout.log.findOne({ r: key, v: document.v }, { hint: 'resource' });
    if (!row) yield `${key}: version ${document.v} is not in the change log`;
  }
  for await (const row of layout.log.find({ r: { $exists: true } }, { sort: { _id: 1 } }))
    yield* checkLogRow(layout, row);
  for await (const claim of layout.claims.find({})) {
    const [type, id] = claim.r.split('/') as [string, string];
    const owner = await layout
      .type(type)
      .findOne({ _id: id, o: { $gt: 0 }, cl: true }, { projection: { _id: 1 } });
    if (!owner) yield `claim ${claim._id}: its owner ${claim.r} is not there or does not know of it`;
  }
}

async function* checkLogRow(layout: Layout, row: LogRow): AsyncGenerator<string> {
  const [, id] = row.r!.split('/') as [string, string];
  const past = await layout.history.findOne({ _id: `${row.r!}/${row.v!}` }, { projection: { _id: 1 } });
  const current = await layout.type(row.t!).findOne({ _id: id, v: row.v! }, { projection: { _id: 1 } });
  if (!past && !current) yield `change log ${row._id}: ${row.r!}/_history/${row.v!} is not there`;
  if (past && current) yield `change log ${row._id}: ${row.r!}/_history/${row.v!} is both current and past`;
}

/** Order within an array does not matter: rows are a set. */
function sameFields(made: unknown, stored: unknown): boolean {
  if (!Array.isArray(made) || !Array.isArray(stored)) return isDeepStrictEqual(made, stored);
  const texts = (list: readonly unknown[]): string[] => list.map(item => JSON.stringify(item)).sort();
  return isDeepStrictEqual(texts(made), texts(stored));
}

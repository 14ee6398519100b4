// history: walks the change log, which is in commit order, and fetches the versions it points to.
// https://hl7.org/fhir/R4/http.html#history
import { FhirError } from '../../errors.js';
import { refKey, type Ref } from '../../fhir/resource.js';
import type { HistoryScope, Page, Version } from '../store.js';
import { join } from './body.js';
import type { Criteria } from './criteria.js';
import type { Body, Current, Layout, LogRow, Past } from './layout.js';
import { refOf } from './log.js';

export async function readVersion(layout: Layout, ref: Ref, version?: number): Promise<Version | undefined> {
  const current = await layout.type(ref.type).findOne({ _id: ref.id }, { projection: versionFields });
  if (!current) return undefined;
  if (version === undefined || version === current.v) return await versionOf(layout, ref.type, current);
  const past = await layout.history.findOne({ _id: `${refKey(ref)}/${version}` });
  return past ? await made(layout, past.r, past) : undefined;
}

export async function readMany(layout: Layout, refs: readonly Ref[]): Promise<Version[]> {
  const versions: Version[] = [];
  for (const type of new Set(refs.map(ref => ref.type))) {
    const ids = refs.filter(ref => ref.type === type).map(ref => ref.id);
    const found = await layout
      .type(type)
      .find({ _id: { $in: ids }, o: { $gt: 0 } }, { projection: versionFields })
      .toArray();
    for (const document of found) versions.push(await versionOf(layout, type, document));
  }
  return versions;
}

export async function history(layout: Layout, scope: HistoryScope): Promise<Page> {
  const pipeline = scopeStages(scope);
  const rows = scope.count > 0 ? await pageOf(layout, scope, pipeline) : [];
  const page = rows.slice(0, scope.count);
  const versions = await versionsOf(layout, page);
  return {
    versions,
    ...(rows.length > page.length ? { next: [page.at(-1)!._id] } : {}),
    ...(scope.total ? { total: await totalOf(layout, pipeline) } : {}),
  };
}

/** Everything about the scope but its page. */
function scopeStages(scope: HistoryScope): object[] {
  const { type, id, since, at } = scope;
  const where: Criteria = {
    ...(type !== undefined && id !== undefined
      ? { r: `${type}/${id}` }
      : type !== undefined
        ? { t: type }
        : { r: { $exists: true } }),
    ...(since === undefined && at === undefined
      ? {}
      : {
          lu: {
            ...(since === undefined ? {} : { $gte: since }),
            ...(at === undefined ? {} : { $lte: at.to }),
          },
        }),
  };
  if (at === undefined) return [{ $match: where }];
  // A version was current until the next one, which the superseded version's document knows.
  return [
    { $match: where },
    { $addFields: { past: { $concat: ['$r', '/', { $toString: '$v' }] } } },
    {
      $lookup: {
        from: 'history',
        localField: 'past',
        foreignField: '_id',
        pipeline: [{ $project: { end: 1 } }],
        as: 'past',
      },
    },
    { $match: { $or: [{ past: { $size: 0 } }, { 'past.end': { $gt: at.from } }] } },
  ];
}

async function pageOf(layout: Layout, scope: HistoryScope, stages: readonly object[]): Promise<LogRow[]> {
  const order = scope.ascending ? 1 : -1;
  const after = scope.after?.[0];
  if (after !== undefined && typeof after !== 'number') {
    throw new FhirError('invalid-cursor', 'The page link does not belong to this history.');
  }
  const behind =
    after === undefined ? [] : [{ $match: { _id: scope.ascending ? { $gt: after } : { $lt: after } } }];
  const [match, ...rest] = stages;
  return layout.log
    .aggregate<LogRow>([match!, ...behind, { $sort: { _id: order } }, ...rest, { $limit: scope.count + 1 }], {
      allowDiskUse: true,
      batchSize: scope.count + 2,
    })
    .toArray();
}

async function totalOf(layout: Layout, stages: readonly object[]): Promise<number> {
  const [counted] = await layout.log.aggregate<{ n: number }>([...stages, { $count: 'n' }]).toArray();
  return counted?.n ?? 0;
}

const versionFields = { v: 1, lu: 1, m: 1, raw: 1, parts: 1 } as const;

/** The versions that rows such as those of the log point to, in their order; those expunged meanwhile are left out. */
export async function versionsOf(
  layout: Layout,
  rows: readonly Pick<LogRow, 't' | 'r' | 'v'>[],
): Promise<Version[]> {
  const found = new Map<string, Version>();
  const types = new Set(rows.map(row => row.t!));
  // First what is current, then what is not: a version superseded in between is in history by then.
  for (const type of types) {
    const ids = rows.filter(row => row.t === type).map(row => refOf(row.r!).id);
    const current = layout.type(type).find({ _id: { $in: ids } }, { projection: versionFields });
    for await (const document of current) {
      found.set(`${type}/${document._id}/${document.v}`, await versionOf(layout, type, document));
    }
  }
  const missing = rows.map(row => `${row.r!}/${row.v!}`).filter(key => !found.has(key));
  if (missing.length > 0) {
    const superseded = layout.history.find({ _id: { $in: missing } });
    for await (const past of superseded) found.set(past._id, await made(layout, past.r, past));
  }
  return rows.flatMap(row => found.get(`${row.r!}/${row.v!}`) ?? []);
}

/** A document of the type's collection as the version it is. */
export const versionOf = (layout: Layout, type: string, document: Current): Promise<Version> =>
  made(layout, `${type}/${document._id}`, document);

async function made(
  layout: Layout,
  key: string,
  document: Pick<Current | Past, 'v' | 'lu' | 'm'> & Body,
): Promise<Version> {
  const body = await join(layout, key, document.v, document);
  return {
    ref: refOf(key),
    version: document.v,
    lastUpdated: document.lu,
    method: document.m,
    ...(body ? { body } : {}),
  };
}

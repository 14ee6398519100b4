// search and count: each type's page in the plan's order, merged. Order and position are by scalar fields of the
// document, so a page starts behind a position by a condition, never by skipping.
import { FhirError } from '../../errors.js';
import type { Ref } from '../../fhir/resource.js';
import type { Position, SearchPlan, SortKey } from '../../search/plan.js';
import { compareText } from '../../search/sort.js';
import type { Page } from '../store.js';
import { ask, type Reach } from './asking.js';
import type { Criteria } from './criteria.js';
import { sortField } from './fields.js';
import { asFilter, filterOf, hinted, type Compiled } from './filter.js';
import { versionOf, versionsOf } from './history.js';
import type { Current } from './layout.js';

/** A total asked for as an estimate stops counting here. */
const estimateLimit = 10_000;

interface Hit {
  readonly type: string;
  readonly document: Current;
  readonly position: Position;
}

export async function search(reach: Reach, plan: SearchPlan): Promise<Page> {
  // One type in a stored order brings its bodies along; else only what is on the page is fetched in the end.
  const direct = plan.types.length === 1 && plan.sort.every(key => key.descending || !canMiss(key));
  const hits = plan.count > 0 ? await hitsOf(reach, plan, direct ? withBody : withoutBody) : [];
  const page = hits.slice(0, plan.count);
  const versions = direct
    ? await Promise.all(page.map(({ type, document }) => versionOf(reach.layout, type, document)))
    : await versionsOf(
        reach.layout,
        page.map(({ type, document }) => ({ t: type, r: `${type}/${document._id}`, v: document.v })),
      );
  return {
    versions,
    ...(hits.length > page.length ? { next: page.at(-1)!.position } : {}),
    ...(await totalOf(reach, plan)),
  };
}

/** The resources that a plan finds, in its order, without their bodies. */
export async function searchRefs(reach: Reach, plan: SearchPlan): Promise<Ref[]> {
  const hits = await hitsOf(reach, plan, withoutBody);
  return hits.slice(0, plan.count).map(({ type, document }) => ({ type, id: document._id }));
}

export async function count(
  reach: Reach,
  plan: Pick<SearchPlan, 'types' | 'where'>,
  limit?: number,
): Promise<number> {
  let sum = 0;
  for (const type of await typesThere(reach, plan.types)) {
    const compiled = await filterOf(reach, type, plan.where);
    if (compiled === undefined) continue;
    const options = { ...compiled.options, ...(limit === undefined ? {} : { limit: limit - sum }) };
    sum += await ask(
      reach,
      () => ({
        aggregate: type,
        pipeline: [{ $match: compiled.criteria }, { $count: 'n' }],
        cursor: {},
        ...hinted(compiled),
      }),
      () => reach.layout.type(type).countDocuments(asFilter(compiled.criteria), options),
      () => 1,
    );
    if (limit !== undefined && sum >= limit) return sum;
  }
  return sum;
}

/** Of so many types it is asked first which have a collection. */
const many = 8;

/** A transaction cannot ask which there are. */
async function typesThere({ layout, session }: Reach, types: readonly string[]): Promise<readonly string[]> {
  if (types.length <= many || session !== undefined) return types;
  const there = new Set(await layout.types());
  return types.filter(type => there.has(type));
}

async function totalOf(
  reach: Reach,
  plan: SearchPlan,
): Promise<{ total?: number; totalIsEstimate?: boolean }> {
  switch (plan.total) {
    case 'none':
      return {};
    case 'accurate':
      return { total: await count(reach, plan) };
    case 'estimate': {
      const total = await count(reach, plan, estimateLimit + 1);
      return total > estimateLimit ? { total: estimateLimit, totalIsEstimate: true } : { total };
    }
  }
}

/** Up to one more than the page, to tell whether it is the last. */
async function hitsOf(reach: Reach, plan: SearchPlan, projection: Criteria): Promise<Hit[]> {
  const hits: Hit[] = [];
  for (const type of await typesThere(reach, plan.types)) {
    const compiled = await filterOf(reach, type, plan.where);
    if (compiled === undefined) continue;
    for (const document of await inOrder(reach, type, compiled, plan, projection)) {
      hits.push({ type, document, position: positionOf(plan.sort, document) });
    }
  }
  return plan.types.length === 1
    ? hits
    : hits.sort((one, other) => compare(plan.sort, one.position, other.position));
}

const withoutBody: Criteria = { v: 1, o: 1 };
const withBody: Criteria = { ...withoutBody, lu: 1, m: 1, raw: 1, parts: 1 };

async function inOrder(
  reach: Reach,
  type: string,
  compiled: Compiled,
  plan: SearchPlan,
  projection: Criteria,
): Promise<Current[]> {
  const { criteria, options } = compiled;
  const where = plan.after === undefined ? criteria : { $and: [criteria, behind(plan.sort, plan.after)] };
  const fields = { ...projection };
  const sort: Record<string, 1 | -1> = {};
  const missing: Record<string, unknown> = {};
  plan.sort.forEach((key, i) => {
    const field = fieldOf(key);
    if (field in sort) return; // said before: no ties are left to break
    // MongoDB sorts a missing value before all others: right when descending, else it needs a flag of its own.
    if (!key.descending && canMiss(key)) {
      missing[`_missing${i}`] = { $eq: [{ $type: `$${field}` }, 'missing'] };
      sort[`_missing${i}`] = 1;
    }
    sort[field] = key.descending ? -1 : 1;
    Object.assign(fields, { [field]: 1 });
  });
  sort['o'] = 1;
  const pipeline = [
    { $match: where },
    ...(Object.keys(missing).length > 0 ? [{ $addFields: missing }] : []),
    { $sort: sort },
    { $limit: plan.count + 1 },
    { $project: fields },
  ];
  return ask(
    reach,
    () => ({ aggregate: type, pipeline, cursor: {}, ...hinted(compiled) }),
    () =>
      reach.layout
        .type(type)
        // In one answer: a page is small, and a cursor would have to be fetched again to learn that it is empty.
        .aggregate<Current>(pipeline, { ...options, allowDiskUse: true, batchSize: plan.count + 2 })
        .toArray(),
    each => each.length,
  );
}

function fieldOf(key: SortKey): string {
  if (key.param === '_id') return '_id';
  if (key.param === '_lastUpdated') return 'lu';
  return `${key.descending ? 'z' : 'a'}.${sortField(key.kind, key.param)}`;
}
const canMiss = (key: SortKey): boolean => key.param !== '_id' && key.param !== '_lastUpdated';

/** The sort values, null where missing, and the number of creation. */
function positionOf(keys: readonly SortKey[], document: Current): Position {
  const values = keys.map(key => {
    if (key.param === '_id') return document._id;
    if (key.param === '_lastUpdated') return document.lu;
    return (key.descending ? document.z : document.a)?.[sortField(key.kind, key.param)] ?? null;
  });
  return [...values, document.o];
}

/** What comes after the position: behind at some key and equal at those before it. */
function behind(keys: readonly SortKey[], after: Position): Criteria {
  if (after.length !== keys.length + 1 || typeof after.at(-1) !== 'number') {
    throw new FhirError('invalid-cursor', 'The page link does not belong to this search.');
  }
  const ways: Criteria[] = [];
  const equal: Criteria[] = [];
  keys.forEach((key, i) => {
    const field = fieldOf(key);
    const value = after[i]!;
    if (value === null) {
      equal.push({ [field]: { $exists: false } }); // nothing is behind a missing value
      return;
    }
    ways.push({ $and: [...equal, { [field]: key.descending ? { $lt: value } : { $gt: value } }] });
    if (canMiss(key)) ways.push({ $and: [...equal, { [field]: { $exists: false } }] });
    equal.push({ [field]: value });
  });
  ways.push({ $and: [...equal, { o: { $gt: after.at(-1) } }] });
  return ways.length === 1 ? ways[0]! : { $or: ways };
}

function compare(keys: readonly SortKey[], one: Position, other: Position): number {
  for (const [i, key] of keys.entries()) {
    const a = one[i]!;
    const b = other[i]!;
    if (a === b) continue;
    if (a === null || b === null) return a === null ? 1 : -1;
    const order = typeof a === 'number' && typeof b === 'number' ? a - b : compareText(String(a), String(b));
    if (order !== 0) return key.descending ? -order : order;
  }
  return Number(one.at(-1)) - Number(other.at(-1));
}

// Judges a commit's writes inside its transaction: what they were prepared against must still hold. Every method
// here reads in the transaction's snapshot; what must not change behind it is locked first by writing (store.ts
// port: `expected`, `condition`, `claims`, `requires`, `unreferenced`).
import { randomInt } from 'node:crypto';
import type { ClientSession } from 'mongodb';
import { refKey, type Ref } from '../../fhir/resource.js';
import { WriteConflict, type Write } from '../store.js';
import { asFilter } from './filter.js';
import { targetKey } from './fields.js';
import type { Claim, Current, Layout } from './layout.js';
import { refOf } from './log.js';
import { searchRefs } from './search.js';

export interface Judged {
  /** The documents to be replaced, by `Type/id`. */
  readonly current: ReadonlyMap<string, Current>;
  readonly release: readonly string[];
  readonly claim: readonly Claim[];
}

/** What a target of references is locked by: a referrer takes one of these, a deletion all, so referrers rarely meet. */
const shares = 16;

/** The lock documents of a commit, in one order for everyone. */
export function locksOf(writes: readonly Write[]): string[] {
  const locks = new Set<string>();
  for (const write of writes) {
    for (const lock of write.condition?.locks ?? []) locks.add(`criteria ${lock}`);
    for (const ref of write.requires ?? []) locks.add(`target ${randomInt(shares)} ${refKey(ref)}`);
    if (write.unreferenced) for (let i = 0; i < shares; i++) locks.add(`target ${i} ${refKey(write.ref)}`);
  }
  return [...locks].sort();
}

export async function lock(layout: Layout, session: ClientSession, locks: readonly string[]): Promise<void> {
  if (locks.length === 0) return;
  const at = new Date();
  await layout.locks.bulkWrite(
    locks.map(_id => ({
      updateOne: { filter: { _id }, update: { $inc: { n: 1 }, $set: { at } }, upsert: true },
    })),
    { session, ordered: true },
  );
}

/**
 * @param fresh whether resources that are to be new may be assumed to be: the insertion itself then finds out.
 * @throws WriteConflict for the first write that does not hold.
 */
export async function judge(
  layout: Layout,
  session: ClientSession,
  writes: readonly Write[],
  fresh: boolean,
): Promise<Judged> {
  const read = writes.filter(write => write.expected > 0 || !fresh).map(write => write.ref);
  const current = await documentsOf(layout, session, read);
  const ours = new Map(writes.map(write => [refKey(write.ref), write]));
  const claims = await claimsOf(layout, session, writes, current);
  const targets = await livingOf(
    layout,
    session,
    writes.flatMap(write => write.requires ?? []).filter(ref => !ours.has(refKey(ref))),
  );
  const claimed = new Map<string, string>();

  for (const [index, write] of writes.entries()) {
    const key = refKey(write.ref);
    if ((current.get(key)?.v ?? 0) !== write.expected) throw new WriteConflict('version', index, key);
    if (write.condition) await judgeCondition(layout, session, write, index);
    for (const claim of new Set(write.claims)) {
      const owner = claimed.get(claim) ?? claims.owner.get(claim);
      const released = owner !== undefined && owner !== claimed.get(claim) && ours.has(owner);
      if (owner !== undefined && owner !== key && !released)
        throw new WriteConflict('claim', index, claim, refOf(owner));
      claimed.set(claim, key);
    }
    for (const ref of write.requires ?? []) {
      const own = ours.get(refKey(ref));
      if (own ? own.body === undefined : !targets.has(refKey(ref)))
        throw new WriteConflict('required', index, refKey(ref));
    }
    if (write.unreferenced) await judgeUnreferenced(layout, session, write, index, ours);
  }
  return {
    current,
    release: [...claims.owned]
      .filter(([claim, owner]) => claimed.get(claim) !== owner)
      .map(([claim]) => claim),
    claim: [...claimed]
      .filter(([claim, owner]) => claims.owned.get(claim) !== owner)
      .map(([_id, r]) => ({ _id, r })),
  };
}

function byType(refs: Iterable<Ref>): Map<string, string[]> {
  const types = new Map<string, string[]>();
  for (const { type, id } of refs) {
    const ids = types.get(type);
    if (ids === undefined) types.set(type, [id]);
    else ids.push(id);
  }
  return types;
}

async function documentsOf(
  layout: Layout,
  session: ClientSession,
  refs: readonly Ref[],
): Promise<Map<string, Current>> {
  const documents = new Map<string, Current>();
  const projection = { o: 1, v: 1, lu: 1, m: 1, raw: 1, parts: 1, cl: 1 };
  for (const [type, ids] of byType(refs)) {
    for await (const document of layout.type(type).find({ _id: { $in: ids } }, { session, projection })) {
      documents.set(`${type}/${document._id}`, document);
    }
  }
  return documents;
}

async function livingOf(layout: Layout, session: ClientSession, refs: readonly Ref[]): Promise<Set<string>> {
  const living = new Set<string>();
  for (const [type, ids] of byType(refs)) {
    const found = layout
      .type(type)
      .find({ _id: { $in: ids }, o: { $gt: 0 } }, { session, projection: { _id: 1 } });
    for await (const { _id } of found) living.add(`${type}/${_id}`);
  }
  return living;
}

/** Owners of the claims that the writes name, and the claims that the replaced states own. */
async function claimsOf(
  layout: Layout,
  session: ClientSession,
  writes: readonly Write[],
  current: ReadonlyMap<string, Current>,
): Promise<{ owner: Map<string, string>; owned: Map<string, string> }> {
  const named = writes.flatMap(write => write.claims ?? []);
  const owners = [...current].filter(([, document]) => document.cl).map(([key]) => key);
  const owner = new Map<string, string>();
  const owned = new Map<string, string>();
  if (named.length > 0) {
    for await (const claim of layout.claims.find({ _id: { $in: named } }, { session }))
      owner.set(claim._id, claim.r);
  }
  if (owners.length > 0) {
    for await (const claim of layout.claims.find({ r: { $in: owners } }, { session }))
      owned.set(claim._id, claim.r);
  }
  return { owner, owned };
}

async function judgeCondition(
  layout: Layout,
  session: ClientSession,
  write: Write,
  index: number,
): Promise<void> {
  const { plan, found } = write.condition!;
  const now = await searchRefs({ layout, session }, plan);
  const same = now.length === found.length && now.every((ref, i) => refKey(ref) === refKey(found[i]!));
  if (!same) throw new WriteConflict('condition', index, refKey(write.ref));
}

async function judgeUnreferenced(
  layout: Layout,
  session: ClientSession,
  write: Write,
  index: number,
  ours: ReadonlyMap<string, Write>,
): Promise<void> {
  const key = refKey(write.ref);
  const idsOfOurs = byType([...ours.values()].map(({ ref }) => ref));
  // After the lock was taken: a type that appears later can only hold referrers that meet the lock.
  for (const type of await layout.types()) {
    const criteria = { k: targetKey(key), o: { $gt: 0 }, _id: { $nin: idsOfOurs.get(type) ?? [] } };
    const referrer = await layout
      .type(type)
      .findOne(asFilter(criteria), { session, projection: { _id: 1 }, hint: 'key' });
    if (referrer) throw new WriteConflict('referenced', index, key, { type, id: referrer._id });
  }
}

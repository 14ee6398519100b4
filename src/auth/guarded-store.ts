// The only store a handler ever holds: every search, count, chain and include is narrowed to what the grant sees, every
// read is tested against it, and every write on the state it replaces and the state it makes.
// Surprising why: what is not visible does not exist. A hidden resource answers like one that was never there.
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { refKey, type Ref } from '../fhir/resource.js';
import { followsLinks, matches, type Indexed, type Resolve } from '../search/matches.js';
import { and, none, type Node, type SearchPlan } from '../search/plan.js';
import type { CustomParameters } from '../search/parameters.js';
import type { Row } from '../search/rows.js';
import { everyVersion } from '../storage/every-version.js';
import { WriteConflict, type HistoryScope, type Page, type RowsOf, type ServedStore, type Version, type Write } from '../storage/store.js'; // prettier-ignore
import { binarySight, concernsBinary } from './binary-sight.js';
import { isRestricted, mayDo, type Grant, type Permission } from './grant.js';
import { checkMasks, maskedBody, noMasks } from './masks.js';
import { checkJoining } from './memberships.js';
import { consentSystem } from './patient-consent.js';
import { foundAmong, linkParams, restrict, searchable } from './narrowing.js';
import { isByServer } from './server-writes.js';

export type GuardedStore = ServedStore & {
  /** The plan's criteria, narrowed like those of a search, for resources that are not stored yet. */
  holds(plan: SearchPlan): (self: Indexed) => boolean | Promise<boolean>;
};

/**
 * @param rowsOf recomputes the index rows of a version
 * @param custom search parameters beside those of the specification
 * @param rowsNow those it would have if it were stored now: consents that came later close what was before
 */
export function guarded(
  store: ServedStore,
  grant: Grant,
  rowsOf: RowsOf,
  custom: CustomParameters | undefined,
  rowsNow: (version: Version) => Promise<readonly Row[]>,
): GuardedStore {
  const masks = grant.masks ?? noMasks;
  const shown = (version: Version): Version => {
    if (masks.size === 0 || version.body === undefined) return version;
    const body = maskedBody(version.body, masks);
    return body === version.body ? version : { ...version, body };
  };
  const shownPage = (page: Page): Page =>
    masks.size === 0 ? page : { ...page, versions: page.versions.map(shown) };
  const resolve = resolveBy(store, rowsOf);
  let closes: boolean | undefined;
  /** Whether it is a Binary that has to be judged by what it belongs to. */
  const belongs = (type: string): boolean => type === 'Binary' && (closes ??= isRestricted(grant, 'Binary'));
  /** No row says what a Binary belongs to: who does not see everything finds none by searching. */
  const found = (type: string): Node => (belongs(type) ? none : searchable(grant, type));
  const isOpen = (type: string, permission: Permission = 'read'): boolean =>
    isOpenTo(grant, belongs, type, permission);
  const indexed = (version: Version): Indexed => ({
    ref: version.ref,
    lastUpdated: version.lastUpdated,
    rows: rowsOf(version),
  });
  /** Whether what the version says is visible. A tombstone says what the version before it said. */
  const lastContent = async (version: Version | undefined): Promise<Version | undefined> => {
    let last = version;
    while (last !== undefined && last.body === undefined)
      last = last.version > 1 ? await store.read(last.ref, last.version - 1) : undefined;
    return last;
  };
  const seesContent = async (
    version: Version,
    permission: Permission = 'read',
    isPast = version.body === undefined,
  ): Promise<boolean> => {
    const node = grant.visible(version.ref.type, permission);
    if (node.op === 'none') return false;
    if (node.op === 'all' && !belongs(version.ref.type)) return true;
    const last = await lastContent(version);
    if (last === undefined) return false;
    if (belongs(version.ref.type) && !(await binaries.sees(last))) return false;
    if (node.op === 'all') return true;
    if (isPast) return matches(node, { ...indexed(last), rows: await rowsNow(last) }, resolve);
    return matches(
      node,
      asksLabels(node) && !isLabelled(last) ? { ...last, rows: [] } : indexed(last),
      resolve,
    );
  };
  const seesPresent = async (ref: Ref): Promise<boolean> => {
    const version = await store.read(ref);
    return version !== undefined && seesContent(version);
  };
  /** A past version is hidden too where the present one is: a label put on later covers what came before. */
  const seesPast = async (version: Version, current: Promise<Version | undefined>): Promise<boolean> => {
    if (!(await seesContent(version, 'read', true))) return false;
    const now = await current;
    return now === undefined || now.version === version.version || seesContent(now);
  };
  const binaries = binarySight({ store, grant, rowsOf, sees: version => seesContent(version) });
  /** Whether what the resource leads to would have to be read, were it there. */
  const couldFollow = async (ref: Ref): Promise<boolean> => {
    const node = grant.visible(ref.type);
    return followsLinks(node) && matches(node, { ref, lastUpdated: 0, rows: [] }, resolve);
  };
  const sees = async (version: Version): Promise<boolean> =>
    isOpen(version.ref.type) || seesPast(version, store.read(version.ref));
  const narrowed = (plan: SearchPlan): SearchPlan => {
    checkMasks(plan, masks, custom);
    return { ...plan, where: and(restrict(plan.where, found), foundAmong(plan.types, found)) };
  };
  const checkWrite = async (write: Write, writes: readonly Write[]): Promise<void> => {
    const { ref, expected, lastUpdated, rows } = write;
    const permission = permissionOf(write, grant);
    const node = grant.visible(ref.type, permission);
    if (node.op === 'all' && !belongs(ref.type)) return;
    // What a link leads to could change before the commit: what was judged here would not be what is stored.
    if (followsLinks(node)) {
      throw new FhirError(
        'forbidden',
        `You may not ${permission} ${ref.type}: what you may see of it depends on other resources.`,
      );
    }
    const replaced = expected === 0 ? undefined : await store.read(ref, expected);
    if (replaced !== undefined && !(await seesContent(replaced, permission)))
      throw new FhirError('not-found', `There is no ${refKey(ref)}.`);
    if (belongs(ref.type)) await binaries.checkWrite(write, replaced, writes);
    if (write.body !== undefined && !(await matches(node, { ref, lastUpdated, rows }, resolve))) {
      throw new FhirError(
        'forbidden',
        `You may not make a ${ref.type} like this one: it would be outside of what you may see.`,
      );
    }
  };
  /** Labels close what they are on: they come off by whoever may do that, also where the resource was deleted meanwhile. */
  const checkLabels = async ({ ref, expected, rows, replaces, body }: Write): Promise<void> => {
    if (body === undefined || expected === 0 || mayDo(grant, 'unlabel')) return;
    let before = replaces;
    if (before.length === 0) {
      const last = await lastContent(await store.read(ref, expected));
      before = last === undefined ? [] : rowsOf(last);
    }
    const left = new Set(labelsIn(rows));
    if (labelsIn(before).some(label => !left.has(label)))
      throw new FhirError('forbidden', `You may not take security labels off ${refKey(ref)}.`);
  };
  const sight: Sight = {
    grant,
    belongs,
    seesPresent,
    async judge(write, writes) {
      await checkWrite(write, writes);
      await checkLabels(write);
      await checkJoining(write, grant, () => store.read(write.ref, write.expected));
    },
  };

  return {
    capabilities: store.capabilities,
    async read(ref, version) {
      const found = await store.read(ref, version);
      if (found === undefined) {
        // What is hidden takes this long.
        if (version !== undefined && !isOpen(ref.type)) await store.read(ref);
        if (belongs(ref.type)) await binaries.sees({ ref });
        else if (await couldFollow(ref)) await store.read({ type: 'Patient', id: ref.id });
        return undefined;
      }
      if (isOpen(ref.type)) return shown(found);
      const seen = version === undefined ? seesContent(found) : sees(found);
      return (await seen) ? shown(found) : undefined;
    },
    async readMany(refs) {
      const found = await store.readMany(refs.filter(ref => searchable(grant, ref.type).op !== 'none'));
      const seen = await Promise.all(found.map(version => seesContent(version)));
      return found.filter((_, i) => seen[i]).map(shown);
    },
    ...(store.generation === undefined ? {} : { generation: () => store.generation!() }),
    ...(store.absent === undefined ? {} : { absent: () => store.absent!() }),
    search: async plan => shownPage(await store.search(narrowed(plan))),
    count: async plan => store.count(narrowed(plan)),
    explain: async plan => store.explain(narrowed(plan)),
    holds(plan) {
      const { where } = narrowed(plan);
      return self => matches(where, self, resolve);
    },
    history: async scope => shownPage(await visibleHistory(store, grant, scope, seesPast, belongs)),
    async commit(writes, receipt) {
      await checkWrites(sight, writes);
      const own = new Set(writes.map(write => refKey(write.ref)));
      await checkRequired(sight, writes, own);
      await checkLed(sight, writes, own);
      const isJudged = belongs('Binary') && concernsBinary(writes);
      if (isJudged) await binaries.checkReferred(writes, own);
      return store.commit(
        writes.map(given => {
          const write = isJudged ? binaries.signed(given) : given;
          return write.condition === undefined
            ? write
            : { ...write, condition: { ...write.condition, plan: narrowed(write.condition.plan) } };
        }),
        receipt,
      );
    },
    receipt: key => store.receipt(key),
    async claimOwner(claim) {
      const owner = await store.claimOwner(claim);
      return owner !== undefined && (await seesPresent(owner)) ? owner : undefined;
    },
    async expunge(ref, what) {
      return (await seesPresent(ref)) ? store.expunge(ref, what) : 0;
    },
  };
}

/**
 * What is asked for each of a commit's writes. Those who ask are not made anew for each store, which lives as long as a
 * request: what V8 compiled of a function is lost with it, and a Bundle has thousands of writes.
 */
interface Sight {
  readonly grant: Grant;
  /** Whether it is a Binary that has to be judged by what it belongs to. */
  readonly belongs: (type: string) => boolean;
  readonly seesPresent: (ref: Ref) => Promise<boolean>;
  readonly judge: (write: Write, writes: readonly Write[]) => Promise<void>;
}

const isOpenTo = (
  grant: Grant,
  belongs: Sight['belongs'],
  type: string,
  permission: Permission = 'read',
): boolean => grant.visible(type, permission).op === 'all' && !belongs(type);

async function checkWrites(sight: Sight, writes: readonly Write[]): Promise<void> {
  const { grant, belongs } = sight;
  for (const write of writes) {
    if (isByServer(write)) continue;
    // What replaces nothing, where everything may be made: the others judge what is replaced.
    if (write.expected === 0 && isOpenTo(grant, belongs, write.ref.type, permissionOf(write, grant)))
      continue;
    await sight.judge(write, writes);
  }
}

/** A reference to what is hidden must be refused like one to what does not exist. */
async function checkRequired(
  { grant, belongs, seesPresent }: Sight,
  writes: readonly Write[],
  own: ReadonlySet<string>,
): Promise<void> {
  for (const [index, write] of writes.entries()) {
    const { requires = [] } = isByServer(write) ? {} : write;
    for (const ref of requires) {
      if (isOpenTo(grant, belongs, ref.type) || own.has(refKey(ref))) continue;
      if (!(await seesPresent(ref))) throw new WriteConflict('required', index, refKey(ref));
    }
  }
}

/** Where what is seen depends on what it refers to, what is written refers to what is seen: else reading it back would tell. */
async function checkLed(
  { grant, seesPresent }: Sight,
  writes: readonly Write[],
  own: ReadonlySet<string>,
): Promise<void> {
  for (const [index, write] of writes.entries()) {
    if (isByServer(write) || write.body === undefined) continue;
    const params = linkParams(grant.visible(write.ref.type));
    if (params.size === 0) continue;
    const had = led(write.replaces, params);
    for (const key of led(write.rows, params)) {
      const [, type, id] = /^([A-Z][A-Za-z]+)\/([^/]+)$/.exec(key) ?? [];
      if (type === undefined || id === undefined || own.has(key) || had.includes(key)) continue;
      if (!(await seesPresent({ type, id }))) throw new WriteConflict('required', index, key);
    }
  }
}

const led = (rows: readonly Row[], params: ReadonlySet<string>): string[] =>
  rows.flatMap(row => (row.kind === 'reference' && params.has(row.param) ? [row.target] : []));

const labelsIn = (rows: readonly Row[]): readonly string[] =>
  rows.flatMap(row =>
    row.kind === 'token' && row.param === '_security' && row.system !== consentSystem
      ? [`${row.system}|${row.code}`]
      : [],
  );

const labelParams = new Set(['_security', '_id', '_type', '_lastUpdated']);
const known = new WeakMap<Node, boolean>();

/** Whether the node asks for labels and identity alone, as consents do: most resources have none and need not be parsed. */
function asksLabels(node: Node): boolean {
  let asks = known.get(node);
  if (asks === undefined) {
    asks =
      node.op === 'and' || node.op === 'or'
        ? node.nodes.every(asksLabels)
        : node.op === 'not'
          ? asksLabels(node.node)
          : node.op === 'row' && labelParams.has(node.param);
    known.set(node, asks);
  }
  return asks;
}

/** Bodies are as `stamp` writes them: a property has one spelling. */
const isLabelled = ({ body }: Version): boolean =>
  body !== undefined && Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes('"security"');

/** What a write needs. A creation by PUT is permitted by either, judged by the narrower. */
function permissionOf({ ref, expected, body }: Write, grant: Grant): Permission {
  if (body === undefined) return 'delete';
  return expected === 0 && grant.permits('create', ref.type) ? 'create' : 'update';
}

/** So many pages of the store are looked through for one page of what the grant sees; then it ends short, with a link. */
const mostPages = 50;

/** History of what the grant sees, gathered until the asked count is full. It has no total: that would count the hidden. */
async function visibleHistory(
  store: ServedStore,
  grant: Grant,
  scope: HistoryScope,
  sees: (version: Version, current: Promise<Version | undefined>) => Promise<boolean>,
  belongs: (type: string) => boolean,
): Promise<Page> {
  const types = scope.type === undefined ? [...resourceTypes()] : [scope.type];
  // The history of one resource is a read, which was permitted; any other is a search.
  const nodeOf = (type: string): Node =>
    scope.id === undefined ? searchable(grant, type) : grant.visible(type);
  if (types.every(type => nodeOf(type).op === 'all' && !belongs(type))) return store.history(scope);
  if (types.every(type => nodeOf(type).op === 'none')) return { versions: [] };
  const present = new Map<string, Promise<Version | undefined>>();
  const currentOf = (ref: Ref): Promise<Version | undefined> => {
    const key = refKey(ref);
    let current = present.get(key);
    if (current === undefined) present.set(key, (current = store.read(ref)));
    return current;
  };
  const kept: Version[] = [];
  let after = scope.after;
  for (let pages = 1; ; pages++) {
    const page = await store.history({
      ...scope,
      ...(after === undefined ? {} : { after }),
      count: scope.count - kept.length,
      total: false,
    });
    for (const version of page.versions) {
      const node = nodeOf(version.ref.type);
      const open = node.op === 'all' && !belongs(version.ref.type);
      if (open || (node.op !== 'none' && (await sees(version, currentOf(version.ref))))) kept.push(version);
    }
    if (page.next === undefined) return { versions: kept };
    if (kept.length >= scope.count || pages === mostPages) return { versions: kept, next: page.next };
    after = page.next;
  }
}

/** Lets `matches` follow references through the store. */
const resolveBy = (store: ServedStore, rowsOf: RowsOf): Resolve => ({
  async target(ref) {
    const version = await store.read(ref);
    return version?.body === undefined
      ? undefined
      : { ref, lastUpdated: version.lastUpdated, rows: rowsOf(version) };
  },
  async *referrers(type, param, ref) {
    const where: Node = {
      op: 'row',
      kind: 'reference',
      param,
      where: [{ column: 'target', is: 'eq', value: refKey(ref) }],
    };
    const plan: SearchPlan = { types: [type], where, sort: [], count: 200, total: 'none' };
    for await (const version of everyVersion(store, plan))
      yield { ref: version.ref, lastUpdated: version.lastUpdated, rows: rowsOf(version) };
  },
});

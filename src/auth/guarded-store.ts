// The only store a handler ever holds: every search, count, chain and include is narrowed to what the grant sees, every
// read is tested against it, and every write on the state it replaces and the state it makes.
// Surprising why: what is not visible does not exist. A hidden resource answers like one that was never there.
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import type { Ref } from '../fhir/resource.js';
import { matches, type Resolve } from '../search/matches.js';
import { all, and, none, not, or, type Leaf, type Node, type SearchPlan } from '../search/plan.js';
import type { Row } from '../search/rows.js';
import type { HistoryScope, Page, Store, Version, Write } from '../storage/store.js';
import type { Grant } from './grant.js';

export type GuardedStore = Pick<
  Store,
  'read' | 'readMany' | 'search' | 'count' | 'history' | 'commit' | 'receipt' | 'claimOwner' | 'expunge'
> & {
  /** What `matches` asks when a node leads to other resources. */
  readonly resolve: Resolve;
};

/** Recomputes index rows of a version; wired by system.ts. */
type RowsOf = (version: Version) => readonly Row[];

export function guarded(store: Store, grant: Grant, rowsOf: RowsOf): GuardedStore {
  const resolve = resolveBy(store, rowsOf);
  const sees = async (ref: Ref, lastUpdated: number, rows: () => readonly Row[]): Promise<boolean> => {
    const node = grant.visible(ref.type);
    if (node.op === 'all') return true;
    return node.op !== 'none' && matches(node, { ref, lastUpdated, rows: rows() }, resolve);
  };
  /** A tombstone is as visible as the last version before it. */
  const seesVersion = async (version: Version): Promise<boolean> => {
    if (grant.visible(version.ref.type).op === 'all') return true;
    let last: Version | undefined = version;
    while (last !== undefined && last.body === undefined)
      last = last.version > 1 ? await store.read(last.ref, last.version - 1) : undefined;
    return last !== undefined && sees(last.ref, last.lastUpdated, () => rowsOf(last));
  };
  const narrowed = (plan: SearchPlan): SearchPlan => ({
    ...plan,
    where: and(restrict(plan.where, grant), visibleAmong(plan.types, grant)),
  });

  return {
    resolve,
    async read(ref, version) {
      const found = await store.read(ref, version);
      return found !== undefined && (await seesVersion(found)) ? found : undefined;
    },
    async readMany(refs) {
      const found = await store.readMany(refs);
      const seen = await Promise.all(found.map(seesVersion));
      return found.filter((_, i) => seen[i]);
    },
    search: plan => store.search(narrowed(plan)),
    count: plan => store.count(narrowed(plan)),
    history: scope => visibleHistory(store, grant, scope, seesVersion),
    async commit(writes, receipt) {
      for (const write of writes) await checkWrite(store, write, sees, rowsOf);
      return store.commit(
        writes.map(write =>
          write.condition === undefined
            ? write
            : { ...write, condition: { ...write.condition, plan: narrowed(write.condition.plan) } },
        ),
        receipt,
      );
    },
    receipt: key => store.receipt(key),
    async claimOwner(claim) {
      const owner = await store.claimOwner(claim);
      const version = owner === undefined ? undefined : await store.read(owner);
      return version !== undefined && (await seesVersion(version)) ? owner : undefined;
    },
    async expunge(ref, what) {
      const version = await store.read(ref);
      return version !== undefined && (await seesVersion(version)) ? store.expunge(ref, what) : 0;
    },
  };
}

/** @throws FhirError `forbidden` where the new state, or `not-found` where the replaced one, is outside the grant. */
async function checkWrite(
  store: Store,
  write: Write,
  sees: (ref: Ref, lastUpdated: number, rows: () => readonly Row[]) => Promise<boolean>,
  rowsOf: RowsOf,
): Promise<void> {
  if (write.expected > 0) {
    const current = await store.read(write.ref, write.expected);
    const visible =
      current?.body === undefined || (await sees(write.ref, current.lastUpdated, () => rowsOf(current)));
    if (!visible) throw new FhirError('not-found', `There is no ${write.ref.type}/${write.ref.id}.`);
  }
  if (write.body !== undefined && !(await sees(write.ref, write.lastUpdated, () => write.rows))) {
    throw new FhirError(
      'forbidden',
      `You may not make a ${write.ref.type} like this one: it would be outside of what you may see.`,
    );
  }
}

/** ANDs what the grant sees to the far end of every link and backlink of a node. */
function restrict(node: Node, grant: Grant): Node {
  switch (node.op) {
    case 'and':
      return and(...node.nodes.map(each => restrict(each, grant)));
    case 'or':
      return or(...node.nodes.map(each => restrict(each, grant)));
    case 'not':
      return not(restrict(node.node, grant));
    case 'link': {
      const inner = restrict(node.node, grant);
      const open = node.types.filter(type => grant.visible(type).op === 'all');
      const narrow = node.types.filter(type => !open.includes(type) && grant.visible(type).op !== 'none');
      return or(
        open.length === 0 ? none : { ...node, types: open, node: inner },
        ...narrow.map((type): Node => ({
          ...node,
          types: [type],
          node: and(inner, restrict(grant.visible(type), grant)),
        })),
      );
    }
    case 'backlink': {
      const visible = grant.visible(node.type);
      if (visible.op === 'none') return none;
      return { ...node, node: and(restrict(node.node, grant), visible) };
    }
    case 'all':
    case 'none':
    case 'row':
      return node;
  }
}

/** What is visible among the types, as one node: each type's own condition where they differ. */
function visibleAmong(types: readonly string[], grant: Grant): Node {
  const nodes = types.map(type => grant.visible(type));
  if (nodes.every(node => node.op === 'all')) return all;
  if (types.length === 1) return nodes[0]!;
  return or(...types.map((type, i) => and(isType(type), nodes[i]!)));
}

const isType = (type: string): Leaf => ({
  op: 'row',
  kind: 'token',
  param: '_type',
  where: [{ column: 'code', is: 'eq', value: type }],
});

/** History of what the grant sees, page by page until the asked count is full. */
async function visibleHistory(
  store: Store,
  grant: Grant,
  scope: HistoryScope,
  sees: (version: Version) => Promise<boolean>,
): Promise<Page> {
  const types = scope.type === undefined ? [...resourceTypes()] : [scope.type];
  if (types.every(type => grant.visible(type).op === 'all')) return store.history(scope);
  const kept: Version[] = [];
  let after = scope.after;
  for (;;) {
    const page = await store.history({
      ...scope,
      ...(after === undefined ? {} : { after }),
      count: scope.count - kept.length,
      total: false,
    });
    for (const version of page.versions) if (await sees(version)) kept.push(version);
    if (page.next === undefined) return { versions: kept };
    if (kept.length >= scope.count) return { versions: kept, next: page.next };
    after = page.next;
  }
}

/** Lets `matches` follow references through the store. Grants' own links are followed unrestricted: they are the rule. */
const resolveBy = (store: Store, rowsOf: RowsOf): Resolve => ({
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
      where: [{ column: 'target', is: 'eq', value: `${ref.type}/${ref.id}` }],
    };
    let plan: SearchPlan = { types: [type], where, sort: [], count: 200, total: 'none' };
    for (;;) {
      const page = await store.search(plan);
      for (const version of page.versions)
        yield { ref: version.ref, lastUpdated: version.lastUpdated, rows: rowsOf(version) };
      if (page.next === undefined) return;
      plan = { ...plan, after: page.next };
    }
  },
});

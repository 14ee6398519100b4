// Several facilities' stores read as one: a search asks each and merges by the sort keys, a read finds the one facility
// that has the record. Made anew for each request, so that it can say which facilities did not answer.
// Surprising why: a facility that is down makes the answer incomplete, and said to be; it does not make it an error.
import { FhirError } from '../errors.js';
import { refKey, type Ref } from '../fhir/resource.js';
import type { Position, SearchPlan } from '../search/plan.js';
import { orderBy } from '../search/sort.js';
import type { HistoryScope, Page, RowsOf, ServedStore, Version, Write } from '../storage/store.js';

export interface Member {
  /** Id of the facility. */
  readonly facility: string;
  readonly store: ServedStore;
}

export interface Federation {
  /** At least one. */
  readonly members: readonly Member[];
  readonly rowsOf: RowsOf;
  /** The facility a resource that does not exist yet belongs to; undefined where nothing tells. */
  readonly homeOf: (write: Write) => Promise<string | undefined>;
}

/** Where each member's part of the results goes on; `ended`: it has no more. */
interface Place {
  readonly facility: string;
  readonly after: Position | undefined;
  readonly ended: boolean;
}

export function federated({ members, rowsOf, homeOf }: Federation): ServedStore {
  const down = new Map<string, unknown>();

  /** What each member answers; those that do not are noted. */
  const each = async <T>(
    ask: (member: Member) => Promise<T>,
    of: readonly Member[] = members,
  ): Promise<{ member: Member; answer: T }[]> => {
    const answers = await Promise.all(
      of.map(async member => {
        try {
          return { member, answer: await ask(member) };
        } catch (error) {
          if (!(error instanceof FhirError) || error.status >= 500) {
            down.set(member.facility, error);
            return undefined;
          }
          throw error;
        }
      }),
    );
    return answers.filter(one => one !== undefined);
  };
  const checkWhole = (what: string): void => {
    const [facility] = down.keys();
    if (facility === undefined) return;
    throw new FhirError(
      'unavailable',
      `The facility ${facility} does not answer, so it is not known ${what}.`,
      {
        cause: down.get(facility),
        headers: { 'retry-after': '5' },
      },
    );
  };

  /** The member that has the resource, undeleted if any has it so. @throws FhirError `conflict` where two have */
  const ownerOf = async (ref: Ref): Promise<{ member: Member; current: Version } | undefined> => {
    const found = (await each(({ store }) => store.read(ref))).flatMap(({ member, answer }) =>
      answer === undefined ? [] : [{ member, current: answer }],
    );
    const alive = found.filter(({ current }) => current.body !== undefined);
    if (alive.length > 1) {
      throw new FhirError(
        'conflict',
        `${refKey(ref)} is in ${alive.map(({ member }) => member.facility).join(' and ')}; it is being moved, or one is a copy.`,
      );
    }
    return alive[0] ?? found[0];
  };

  /** One page of all: `ask` answers a member's own page, `compare` orders versions of different members. */
  const merged = async (
    { count, after }: { count: number; after?: Position },
    ask: (member: Member, count: number, after: Position | undefined) => Promise<Page>,
    compare: (a: Version, b: Version) => number,
  ): Promise<Page> => {
    const places = placesIn(after, members);
    const open = members.filter(({ facility }) => places.get(facility)?.ended === false);
    const parts = await each(member => ask(member, count, places.get(member.facility)!.after), open);
    const taken = new Map(parts.map(({ member }) => [member, 0]));
    const versions: Version[] = [];
    while (versions.length < count) {
      let best: { member: Member; version: Version } | undefined;
      for (const { member, answer } of parts) {
        const version = answer.versions[taken.get(member)!];
        // Ties go to the member that comes first, as long as it has more.
        if (version !== undefined && (best === undefined || compare(version, best.version) < 0))
          best = { member, version };
      }
      if (best === undefined) break;
      versions.push(best.version);
      taken.set(best.member, taken.get(best.member)! + 1);
    }
    const next: Place[] = [];
    for (const { member, answer } of parts) {
      const { facility } = member;
      const own = places.get(facility)!;
      const many = taken.get(member)!;
      const isAll = many === answer.versions.length;
      // Behind the last result that was taken: the member's own page has ended there, too.
      const [went] =
        many === 0 || isAll ? [{ member, answer }] : await each(one => ask(one, many, own.after), [member]);
      const position = many === 0 ? own.after : went?.answer.next;
      if (isAll && answer.next === undefined) next.push({ facility, after: undefined, ended: true });
      else if (position === undefined && many > 0) next.push({ ...own, ended: true });
      else next.push({ facility, after: position, ended: false });
    }
    const hasMore = next.some(place => !place.ended);
    // Those that have ended stay so; one that does not answer is asked again with the next page, from where it was.
    for (const place of places.values())
      if (!next.some(({ facility }) => facility === place.facility)) next.push(place);
    const totals = parts.map(({ answer }) => answer.total);
    const total = totals.every(one => one !== undefined) ? totals.reduce((sum, one) => sum + one, 0) : undefined; // prettier-ignore
    return {
      versions,
      ...(hasMore ? { next: [JSON.stringify(next.map(({ facility, after, ended }) => [facility, after ?? null, ended]))] } : {}), // prettier-ignore
      ...(total === undefined ? {} : { total }),
      ...(down.size > 0 || parts.some(({ answer }) => answer.totalIsEstimate)
        ? { totalIsEstimate: true }
        : {}),
    };
  };

  const search = (plan: SearchPlan): Promise<Page> => {
    const rows = new Map<Version, ReturnType<RowsOf>>();
    const indexed = (version: Version) => {
      let own = rows.get(version);
      if (own === undefined) rows.set(version, (own = rowsOf(version)));
      return { ref: version.ref, lastUpdated: version.lastUpdated, rows: own };
    };
    const order = orderBy(plan.sort);
    return merged(
      plan,
      ({ store }, count, after) => store.search(at(plan, count, after)),
      (a, b) => (plan.sort.length === 0 ? 0 : order(indexed(a), indexed(b))),
    );
  };

  /** All writes of a commit must be of one facility: there is no commit over two stores. */
  const memberFor = async (writes: readonly Write[]): Promise<Member> => {
    let chosen: string | undefined;
    for (const write of writes) {
      const owner = write.expected === 0 ? undefined : (await ownerOf(write.ref))?.member.facility;
      const facility = owner ?? (await homeOf(write));
      checkWhole(`where ${refKey(write.ref)} belongs`);
      if (facility === undefined) {
        throw new FhirError(
          'business-rule',
          `Nothing tells to which facility ${refKey(write.ref)} belongs; send it to one: /facilities/${members[0]!.facility}/fhir.`,
        );
      }
      if (chosen !== undefined && chosen !== facility) {
        throw new FhirError(
          'business-rule',
          `What is written at once belongs to one facility; this is for ${chosen} and ${facility}.`,
        );
      }
      chosen = facility;
    }
    const member = members.find(({ facility }) => facility === chosen);
    if (member === undefined) throw new FhirError('business-rule', `There is no facility ${chosen ?? ''}.`);
    return member;
  };

  return {
    capabilities: { name: 'federation', onlineBackup: false, shared: true },
    absent: () =>
      [...down.keys()].map(facility => `The facility ${facility} does not answer; what it has is missing.`),
    async read(ref, version) {
      const owner = await ownerOf(ref);
      if (owner === undefined) {
        checkWhole(`whether there is ${refKey(ref)}`);
        return undefined;
      }
      return version === undefined ? owner.current : owner.member.store.read(ref, version);
    },
    async readMany(refs) {
      const found = await each(({ store }) => store.readMany(refs));
      const byKey = new Map(
        found.flatMap(({ answer }) => answer.map(version => [refKey(version.ref), version])),
      );
      return [...byKey.values()];
    },
    search,
    stateOf(type) {
      const states = members.map(({ store }) => store.stateOf?.(type));
      if (states.includes(undefined)) return undefined;
      return states.every(state => state === '') ? '' : states.join();
    },
    async count(plan) {
      return (await each(({ store }) => store.count(plan))).reduce((sum, { answer }) => sum + answer, 0);
    },
    async explain(plan) {
      const [first] = await each(({ store }) => store.explain(plan));
      checkWhole('how it would search');
      return first!.answer;
    },
    async history(scope: HistoryScope) {
      const page = await merged(
        scope,
        ({ store }, count, after) => store.history(at(scope, count, after)),
        (a, b) => (scope.ascending === true ? 1 : -1) * (a.lastUpdated - b.lastUpdated),
      );
      checkWhole('what happened there');
      return page;
    },
    async commit(writes, receipt) {
      await (await memberFor(writes)).store.commit(writes, receipt);
    },
    async receipt(key) {
      const found = (await each(({ store }) => store.receipt(key))).find(
        ({ answer }) => answer !== undefined,
      );
      if (found === undefined) checkWhole('whether this was done before');
      return found?.answer;
    },
    async claimOwner(claim) {
      return (await each(({ store }) => store.claimOwner(claim))).find(({ answer }) => answer)?.answer;
    },
    async expunge(ref, what) {
      const owner = await ownerOf(ref);
      return owner === undefined ? 0 : owner.member.store.expunge(ref, what);
    },
  };
}

/** The same question for another page. */
function at<T extends { readonly count: number; readonly after?: Position }>(
  question: T,
  count: number,
  after: Position | undefined,
): T {
  const { after: _, ...rest } = question;
  return { ...rest, count, ...(after === undefined ? {} : { after }) } as T;
}

/** Members that joined since the first page are asked from their start. */
function placesIn(position: Position | undefined, members: readonly Member[]): Map<string, Place> {
  const places = new Map(
    members.map(({ facility }) => [
      facility,
      { facility, after: undefined as Position | undefined, ended: false },
    ]),
  );
  if (position === undefined) return places;
  let known: [string, Position | null, boolean][];
  try {
    known = JSON.parse(String(position[0])) as typeof known;
  } catch {
    throw new FhirError('invalid-cursor', 'The page link belongs to another search.');
  }
  for (const [facility, after, ended] of known)
    if (places.has(facility)) places.set(facility, { facility, after: after ?? undefined, ended });
  return places;
}

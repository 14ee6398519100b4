// Transactions that no sender in our samples makes: conditional creates, updates and deletes, conditional references,
// entries that overlap. Generated, and compared with a model that carries out the rules on a list of patients.
// https://hl7.org/fhir/R4/http.html#trules
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { onEveryStore, type Answer, type Tsela } from '../system.js';

/** A key is an identifier; at most four, so that entries meet each other often. */
const key = fc.integer({ min: 0, max: 3 });
const value = fc.integer({ min: 0, max: 2 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), key, value, ifNoneExist: fc.boolean() }),
  fc.record({ kind: fc.constant('updateBy' as const), key, value }),
  fc.record({ kind: fc.constant('put' as const), key, value }),
  fc.record({ kind: fc.constant('deleteBy' as const), key }),
  fc.record({ kind: fc.constant('delete' as const), key }),
  fc.record({ kind: fc.constant('observe' as const), key }),
  fc.record({ kind: fc.constant('observeEntry' as const), entry: fc.integer({ min: 0, max: 5 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
const bundles = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });

interface Patient {
  readonly key: number;
  readonly value: number;
}
/** Patients by id; those the transaction makes are named `new <entry>` until their ids are known. */
type State = ReadonlyMap<string, Patient>;
interface Outcome {
  readonly state: State;
  /** For every entry the id of the patient it is about, or of an observation's subject. */
  readonly about: readonly (string | undefined)[];
}

const order = { deleteBy: 0, delete: 0, create: 1, observe: 1, observeEntry: 1, updateBy: 2, put: 2 };
const holders = (state: State, wanted: number): string[] =>
  [...state].filter(([, patient]) => patient.key === wanted).map(([id]) => id);

/** What the rules demand: the state afterwards, or undefined where the transaction must fail. */
function predicted(
  before: State,
  steps: readonly Step[],
  idOf: (key: number) => string,
): Outcome | undefined {
  const pending = new Map<string, Patient | undefined>();
  const about: (string | undefined)[] = [];
  const overlaid = (): State =>
    new Map([
      ...[...before].filter(([id]) => !pending.has(id)),
      ...[...pending].filter((each): each is [string, Patient] => each[1] !== undefined),
    ]);
  const take = (id: string, patient: Patient | undefined): boolean =>
    !pending.has(id) && pending.set(id, patient) !== undefined;
  const sorted = steps
    .map((each, index) => ({ each, index }))
    .sort((a, b) => order[a.each.kind] - order[b.each.kind] || a.index - b.index);
  for (const { each, index } of sorted) {
    if (each.kind === 'observe' || each.kind === 'observeEntry') continue;
    if (each.kind === 'delete' || each.kind === 'put') {
      const id = idOf(each.key);
      if (!take(id, each.kind === 'put' ? each : undefined)) return undefined;
      if (each.kind === 'put') about[index] = id;
      continue;
    }
    if (each.kind === 'create' && !each.ifNoneExist) {
      about[index] = `new ${index}`;
      pending.set(about[index], each);
      continue;
    }
    if (each.kind !== 'create' && holders(before, each.key).some(id => pending.has(id))) return undefined;
    const found = holders(overlaid(), each.key);
    if (found.length > 1) return undefined;
    const [match] = found;
    if (each.kind === 'create' && match !== undefined) {
      about[index] = match;
      continue;
    }
    if (each.kind === 'deleteBy') {
      if (match !== undefined && !take(match, undefined)) return undefined;
      continue;
    }
    about[index] = match ?? `new ${index}`;
    if (!take(about[index], each)) return undefined;
  }
  const state = overlaid();
  for (const { each, index } of sorted) {
    if (each.kind === 'observe') {
      const found = holders(state, each.key);
      if (found.length !== 1) return undefined;
      about[index] = found[0];
    } else if (each.kind === 'observeEntry') {
      const target = steps[each.entry];
      if (target === undefined || !['create', 'updateBy', 'put'].includes(target.kind)) return undefined;
      about[index] = about[each.entry];
    }
  }
  return { state, about };
}

onEveryStore('generated transactions', {}, tsela => {
  it('do what the rules demand, or nothing', async () => {
    let run = 0;
    const seen = { done: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(bundles, async sequence => {
        const world = worldOf(tsela(), `${process.pid}-${run++}`);
        let state: State = new Map();
        for (const steps of sequence) {
          const wanted = predicted(state, steps, world.idOf);
          const answer = await world.post(steps);
          seen[wanted === undefined ? 'refused' : 'done']++;
          expect(answer.status < 300, `${answer.text}\n${JSON.stringify(steps)}`).toBe(wanted !== undefined);
          if (wanted !== undefined) state = await world.named(wanted, steps, answer);
          expect(await world.stored()).toEqual(new Map([...state].sort(([a], [b]) => (a < b ? -1 : 1))));
        }
      }),
      { numRuns: 100, seed: 20270104 },
    );
    expect(Math.min(seen.done, seen.refused)).toBeGreaterThan(20);
  });
});

/** A set of patients of its own within the store, told by the system of their identifiers. */
function worldOf(tsela: Tsela, name: string) {
  const system = `urn:generated:${name}`;
  const idOf = (wanted: number): string => `g-${name}-${wanted}`;
  const urn = (index: number): string =>
    `urn:uuid:00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const resourceOf = ({ key: k, value: v }: Patient) => ({
    resourceType: 'Patient',
    identifier: [{ system, value: String(k) }],
    multipleBirthInteger: v,
  });
  const criteria = (wanted: number): string => `identifier=${system}|${wanted}`;
  const observation = (reference: string) => ({
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'x' },
    subject: { reference },
  });

  const entryOf = (each: Step, index: number) => {
    const fullUrl = urn(index);
    switch (each.kind) {
      case 'create':
        return {
          fullUrl,
          resource: resourceOf(each),
          request: {
            method: 'POST',
            url: 'Patient',
            ...(each.ifNoneExist ? { ifNoneExist: criteria(each.key) } : {}),
          },
        };
      case 'updateBy':
        return {
          fullUrl,
          resource: resourceOf(each),
          request: { method: 'PUT', url: `Patient?${criteria(each.key)}` },
        };
      case 'put':
        return {
          fullUrl,
          resource: { ...resourceOf(each), id: idOf(each.key) },
          request: { method: 'PUT', url: `Patient/${idOf(each.key)}` },
        };
      case 'deleteBy':
        return { request: { method: 'DELETE', url: `Patient?${criteria(each.key)}` } };
      case 'delete':
        return { request: { method: 'DELETE', url: `Patient/${idOf(each.key)}` } };
      case 'observe':
        return {
          fullUrl: `${fullUrl.slice(0, -6)}999${index}00`,
          resource: observation(`Patient?${criteria(each.key)}`),
          request: { method: 'POST', url: 'Observation' },
        };
      case 'observeEntry':
        return {
          fullUrl: `${fullUrl.slice(0, -6)}999${index}00`,
          resource: observation(urn(each.entry)),
          request: { method: 'POST', url: 'Observation' },
        };
    }
  };
  return {
    idOf,
    post: (steps: readonly Step[]): Promise<Answer> =>
      tsela.send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry: steps.map(entryOf) }),
    /** The predicted state with the ids the server gave, once the observations are seen to refer to what they should. */
    async named({ state, about }: Outcome, steps: readonly Step[], answer: Answer): Promise<State> {
      const locations = (answer.body['entry'] as { response: { location?: string } }[]).map(
        entry => /\/([^/]+)\/([^/]+)\/_history/.exec(entry.response.location ?? '')?.[2],
      );
      const real = (id: string): string => (id.startsWith('new ') ? locations[Number(id.slice(4))]! : id);
      for (const [index, each] of steps.entries()) {
        if (each.kind !== 'observe' && each.kind !== 'observeEntry') continue;
        const stored = await tsela.send('GET', `Observation/${locations[index]!}`);
        expect(stored.body['subject'].reference).toBe(`Patient/${real(about[index]!)}`);
      }
      return new Map(
        [...state].map(([id, patient]) => [real(id), { key: patient.key, value: patient.value }]),
      );
    },
    /** What is there, by search. */
    async stored(): Promise<State> {
      const found = await tsela.send('GET', `Patient?identifier=${system}|&_count=100`);
      const patients = (
        (found.body['entry'] ?? []) as {
          resource: { id: string; identifier: { value: string }[]; multipleBirthInteger: number };
        }[]
      ).map(({ resource }): [string, Patient] => [
        resource.id,
        { key: Number(resource.identifier[0]!.value), value: resource.multipleBirthInteger },
      ]);
      return new Map(patients.sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
}

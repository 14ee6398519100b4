// Races between processes: each racer has a store of its own, so nothing but the database stands between them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { all, type SearchPlan } from '../../../src/search/plan.js';
import { WriteConflict, type Store, type Write } from '../../../src/storage/store.js';
import {
  collect,
  newFacility,
  reference,
  title,
  token,
  unavailable,
  write,
  type Facility,
} from './facility.js';

const processes = 4;
const everything: SearchPlan = { types: [], where: all, sort: [], count: 0, total: 'none' };

describe.skipIf(unavailable)(title('MongoDB races between processes'), () => {
  let facility: Facility;
  let stores: Store[];
  beforeAll(async () => {
    facility = await newFacility();
    stores = await Promise.all(Array.from({ length: processes }, () => facility.open({ transactions: 4 })));
  });
  afterAll(() => facility.dispose());

  /** The reasons of refusals; '' where the commit went through. */
  async function race(count: number, make: (i: number) => readonly Write[]): Promise<string[]> {
    return Promise.all(
      Array.from({ length: count }, async (_, i) => {
        try {
          await stores[i % processes]!.commit(make(i));
          return '';
        } catch (error) {
          if (error instanceof WriteConflict) return error.reason;
          throw error;
        }
      }),
    );
  }

  test('50 parallel conditional creates make exactly one, and 50 answers name it', async () => {
    const where = {
      op: 'row',
      kind: 'token',
      param: 'identifier',
      where: [{ column: 'code', is: 'eq', value: '4711' }],
    } as const;
    const plan: SearchPlan = { types: ['Patient'], where, sort: [], count: 2, total: 'none' };
    const createIfNone = async (store: Store, id: string): Promise<string> => {
      for (;;) {
        const { versions } = await store.search(plan);
        if (versions.length > 0) return versions.map(version => version.ref.id).join();
        const condition = { plan, locks: ['Patient|http://id|4711'], found: [] };
        try {
          await store.commit([
            write(`Patient/${id}`, { rows: [token('identifier', '4711', 'http://id')], condition }),
          ]);
          return id;
        } catch (error) {
          if (!(error instanceof WriteConflict)) throw error;
          expect(error.reason).toBe('condition');
        }
      }
    };
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => createIfNone(stores[i % processes]!, `racer${i}`)),
    );
    expect(new Set(answers).size).toBe(1);
    expect(await stores[0]!.count({ ...plan, count: 10 })).toBe(1);
  });

  test('of 50 parallel updates of one version one wins', async () => {
    await stores[0]!.commit([write('Patient/contested')]);
    const outcomes = await race(50, i => [
      write('Patient/contested', { expected: 1, content: `{"winner":${i}}` }),
    ]);
    expect(outcomes.filter(outcome => outcome === '')).toHaveLength(1);
    expect(outcomes.filter(outcome => outcome === 'version')).toHaveLength(49);
    const stored = await stores[1]!.read({ type: 'Patient', id: 'contested' });
    expect(stored?.version).toBe(2);
    expect(Buffer.from(stored!.body!).toString()).toBe(`{"winner":${outcomes.indexOf('')}}`);
  });

  test('of 20 creates of one id one wins', async () => {
    const outcomes = await race(20, () => [write('Patient/same-id')]);
    expect(outcomes.filter(outcome => outcome === '')).toHaveLength(1);
    expect(outcomes.filter(outcome => outcome === 'version')).toHaveLength(19);
  });

  test('of 20 racers for a claim one owns it, and every other is told', async () => {
    const outcomes = await race(20, i => [
      write(`Appointment/racer${i}`, { claims: ['time|Practitioner/7|10:00'] }),
    ]);
    expect(outcomes.filter(outcome => outcome === '')).toHaveLength(1);
    expect(outcomes.filter(outcome => outcome === 'claim')).toHaveLength(19);
    const owner = await stores[0]!.claimOwner('time|Practitioner/7|10:00');
    expect(owner).toEqual({ type: 'Appointment', id: `racer${outcomes.indexOf('')}` });
    expect(await stores[0]!.count({ ...everything, types: ['Appointment'] })).toBe(1);
  });

  test('claims that cross, in either order, leave each claim with one owner', async () => {
    const outcomes = await race(12, i => {
      const claims = [`bed|1`, `bed|2`, `bed|3`];
      return [write(`Encounter/cross${i}`, { claims: i % 2 ? claims : claims.reverse() })];
    });
    expect(outcomes.filter(outcome => outcome === '')).toHaveLength(1);
  });

  test('a deletion and a create that refers to the deleted never both succeed', async () => {
    for (let round = 0; round < 10; round++) {
      const target = `Patient/target${round}`;
      await stores[0]!.commit([write(target)]);
      const requires = [{ type: 'Patient', id: `target${round}` }];
      const outcomes = await race(6, i =>
        i === 3
          ? [write(target, { expected: 1, content: null, unreferenced: true })]
          : [write(`Observation/o${round}-${i}`, { rows: [reference('subject', target)], requires })],
      );
      const deleted = outcomes[3] === '';
      const created = outcomes.filter((outcome, i) => i !== 3 && outcome === '').length;
      expect(deleted ? created : created - 5).toBe(0);
      if (!deleted) expect(outcomes[3]).toBe('referenced');
    }
  });

  test('after all that the log has every version once and the store has nothing to complain of', async () => {
    const changes = await collect(stores[0]!.changes(''));
    const seen = changes.map(change => `${change.ref.type}/${change.ref.id}/${change.version}`);
    expect(new Set(seen).size).toBe(seen.length);
    const living = await collect(stores[0]!.scan([]));
    for (const { ref, version } of living) expect(seen).toContain(`${ref.type}/${ref.id}/${version}`);
    const rowsOf = ({ ref }: { ref: { type: string; id: string } }) =>
      ref.id.startsWith('racer') && ref.type === 'Patient'
        ? [token('identifier', '4711', 'http://id')]
        : ref.type === 'Observation'
          ? [reference('subject', `Patient/target${ref.id.slice(1).split('-')[0]}`)]
          : [];
    expect(await collect(stores[0]!.check(rowsOf))).toEqual([]);
  });
});

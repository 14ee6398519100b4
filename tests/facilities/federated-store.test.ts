// Reading across facilities: what one store with all records would answer, page by page; and what happens where one
// facility is down or two have the same record.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FhirError } from '../../src/errors.js';
import { refKey } from '../../src/fhir/resource.js';
import { federated, type Member } from '../../src/facilities/federated-store.js';
import { parseSearch } from '../../src/search/parse.js';
import type { Position, SearchPlan } from '../../src/search/plan.js';
import type { Page, ServedStore } from '../../src/storage/store.js';
import { base, openTsela, stores, type Tsela } from '../system.js';

const facilities = ['quthing', 'maseru', 'mafeteng'] as const;

const planOf = (type: string, query: string): SearchPlan =>
  parseSearch({
    types: [type],
    params: [...new URLSearchParams(query)],
    bases: [base],
    handling: 'strict',
    zone: 'UTC',
    defaultCount: 20,
    maxCount: 1000,
  }).plan;

const unreachable = (): Promise<never> =>
  Promise.reject(new FhirError('unavailable', 'The database does not answer.'));

for (const store of stores) {
  const isAbsent = store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;
  describe.skipIf(isAbsent)(
    `a federation on ${store}${isAbsent ? ' (skipped: MONGODB_URL is not set)' : ''}`,
    () => {
      let parts: Tsela[];
      let whole: Tsela;
      let members: Member[];
      let broken = new Set<string>();
      const federation = (
        homeOf: () => Promise<string | undefined> = () => Promise.resolve(undefined),
      ): ServedStore => federated({ members, rowsOf: whole.system.rowsOf, homeOf });

      beforeAll(async () => {
        parts = [];
        for (const _ of facilities) parts.push(await openTsela(store));
        whole = await openTsela(store);
        let seed = 11;
        const random = (n: number): number => (seed = (seed * 48271) % 2147483647) % n;
        // In the order of the facilities, as ties go by it.
        for (const [f, part] of parts.entries()) {
          for (let i = 0; i < 25; i++) {
            const id = `${facilities[f]}-${i}`;
            const patient = {
              resourceType: 'Patient',
              id,
              ...(random(5) === 0
                ? {}
                : { birthDate: `${1990 + random(4)}-0${1 + random(3)}-0${1 + random(9)}` }),
              name: [{ family: ['Mokoena', 'Thabane', 'Letsie', 'Éla'][random(4)] }],
              gender: ['male', 'female', 'unknown'][random(3)],
            };
            for (const one of [part, whole])
              expect((await one.send('PUT', `Patient/${id}`, patient)).status).toBe(201);
          }
        }
        members = facilities.map((facility, i) => {
          const own = parts[i]!.system.store;
          const failing = new Proxy(own, {
            get: (target, name) =>
              broken.has(facility) && typeof target[name as keyof typeof target] === 'function'
                ? unreachable
                : Reflect.get(target, name),
          });
          return { facility, store: failing };
        });
      });
      afterAll(async () => {
        for (const one of [...(parts ?? []), whole]) await one?.close();
      });

      const pages = async (from: Pick<ServedStore, 'search'>, plan: SearchPlan): Promise<string[][]> => {
        const found: string[][] = [];
        let after: Position | undefined;
        do {
          const page: Page = await from.search({ ...plan, ...(after === undefined ? {} : { after }) });
          found.push(page.versions.map(({ ref }) => refKey(ref)));
          after = page.next;
        } while (after !== undefined);
        return found;
      };

      it.each([
        '_count=7',
        '_count=1&gender=male',
        '_count=100',
        '_count=25',
        '_sort=birthdate&_count=4',
        '_sort=-birthdate&_count=9',
        '_sort=family,-birthdate&_count=5',
        '_sort=-_id&_count=8',
        '_sort=gender&_count=10',
        'birthdate=ge1992&_sort=family&_count=3',
        'family=nobody',
        '_sort=-family&_count=75',
      ])('gives the pages of one store: %s', async query => {
        const plan = planOf('Patient', query);
        const expected = await pages(whole.system.store, plan);
        const found = await pages(federation(), plan);
        expect(found.filter(page => page.length > 0)).toEqual(expected.filter(page => page.length > 0));
      });

      it('counts all', async () => {
        const plan = planOf('Patient', 'gender=female&_total=accurate&_count=2');
        const expected = await whole.system.store.search(plan);
        expect((await federation().search(plan)).total).toBe(expected.total);
        expect(await federation().count(plan)).toBe(expected.total);
      });

      it('finds a record where it is, and its history', async () => {
        const ref = { type: 'Patient', id: 'maseru-3' };
        expect((await federation().read(ref))?.version).toBe(1);
        expect(await federation().read({ type: 'Patient', id: 'nobody' })).toBeUndefined();
        const refs = facilities.map(facility => ({ type: 'Patient', id: `${facility}-1` }));
        expect((await federation().readMany(refs)).map(({ ref }) => refKey(ref)).sort()).toEqual(
          refs.map(refKey).sort(),
        );
        const history = await federation().history({ type: 'Patient', count: 40, total: true });
        expect(history.versions.map(({ lastUpdated }) => lastUpdated)).toEqual(
          history.versions.map(({ lastUpdated }) => lastUpdated).sort((a, b) => b - a),
        );
        expect(history.total).toBe(75);
        const rest = await federation().history({ type: 'Patient', count: 40, after: history.next! });
        expect(new Set([...history.versions, ...rest.versions].map(({ ref }) => ref.id)).size).toBe(75);
        expect(rest.next).toBeUndefined();
      });

      it('goes on without a facility that is down, and says so; what is not known is an error', async () => {
        broken = new Set(['maseru']);
        try {
          const plan = planOf('Patient', '_sort=birthdate&_count=1000');
          const one = federation();
          const page = await one.search(plan);
          expect(page.versions).toHaveLength(50);
          expect(one.absent?.()).toEqual([expect.stringContaining('maseru')]);
          expect((await federation().read({ type: 'Patient', id: 'quthing-1' }))?.version).toBe(1);
          await expect(federation().read({ type: 'Patient', id: 'maseru-1' })).rejects.toMatchObject({
            code: 'unavailable',
          });
          // It comes back between two pages: what it has is not lost.
          const first = await federation().search(planOf('Patient', '_sort=_id&_count=20'));
          broken.clear();
          const seen = first.versions.map(({ ref }) => ref.id);
          for (let { next } = first; next !== undefined;) {
            const more: Page = await federation().search({
              ...planOf('Patient', '_sort=_id&_count=20'),
              after: next,
            });
            seen.push(...more.versions.map(({ ref }) => ref.id));
            next = more.next;
          }
          expect(new Set(seen).size).toBe(75);
          expect(seen).toHaveLength(75);
        } finally {
          broken.clear();
        }
      });

      it('refuses a record that two facilities have', async () => {
        const twice = { resourceType: 'Patient', id: 'twice' };
        for (const part of parts.slice(0, 2)) await part.send('PUT', 'Patient/twice', twice);
        await expect(federation().read({ type: 'Patient', id: 'twice' })).rejects.toMatchObject({
          code: 'conflict',
          message: expect.stringContaining('quthing and maseru') as string,
        });
        // Deleted in one, it is the other's.
        await parts[0]!.send('DELETE', 'Patient/twice');
        expect((await federation().read({ type: 'Patient', id: 'twice' }))?.body).toBeDefined();
        await parts[1]!.send('DELETE', 'Patient/twice');
      });

      it('writes to the facility that has the record, or to the one that is told; never to two at once', async () => {
        const versions = async (id: string) => (await federation().read({ type: 'Patient', id }))!;
        const write = async (id: string) => {
          const current = await versions(id);
          return {
            ref: current.ref,
            expected: current.version,
            method: 'PUT' as const,
            lastUpdated: Date.now(),
            body: current.body!,
            rows: whole.system.rowsOf(current),
            replaces: whole.system.rowsOf(current),
          };
        };
        await federation().commit([await write('mafeteng-2')]);
        expect((await parts[2]!.system.store.read({ type: 'Patient', id: 'mafeteng-2' }))?.version).toBe(2);
        await expect(
          federation().commit([await write('mafeteng-3'), await write('quthing-3')]),
        ).rejects.toThrow('belongs to one facility');
        const fresh = {
          ...(await write('quthing-4')),
          ref: { type: 'Patient', id: 'fresh' },
          expected: 0,
          replaces: [],
        };
        await expect(federation().commit([fresh])).rejects.toThrow('Nothing tells');
        await federation(() => Promise.resolve('maseru')).commit([fresh]);
        expect((await parts[1]!.system.store.read(fresh.ref))?.version).toBe(1);
      });
    },
  );
}

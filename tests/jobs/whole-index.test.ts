// The whole index made anew at start: interrupted anywhere it goes on, and nothing is served that it would lack.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OPEN } from '../../src/auth/grant.js';
import { defaultConfig, type Config } from '../../src/config.js';
import { createSystem, type System } from '../../src/system.js';
import { stores } from '../system.js';
import { colour, colouredPatient } from '../operations/custom-parameter.js';

const base = 'http://tsela.test/fhir';
const count = 1200;

for (const store of stores) {
  const absent = store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;
  describe.skipIf(absent)(
    `the whole index on ${store}${absent ? ' (skipped: MONGODB_URL is not set)' : ''}`,
    () => {
      let config: Config;
      let told: string[];
      const open = (changes: Partial<Config> = {}): Promise<System> =>
        createSystem({ ...config, ...changes }, base, {
          info: message => told.push(message),
          failure: () => undefined,
        });
      const send = async (
        system: System,
        method: string,
        path: string,
        query: [string, string][] = [],
        body?: unknown,
      ): Promise<{ status: number; body: Record<string, unknown> }> => {
        const response = await system.dispatch(
          {
            method,
            path: path.split('/').filter(Boolean),
            query,
            headers: { 'content-type': 'application/fhir+json' },
            base,
            id: 'test',
            ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
          },
          OPEN,
        );
        const text = Buffer.from(response.body ?? '').toString();
        return {
          status: response.status,
          body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
        };
      };
      const total = async (system: System, name: string, value: string): Promise<unknown> =>
      (await send(system, 'GET', 'Patient', [[name, value], ['_summary', 'count']])).body['total']; // prettier-ignore
      const complaints = async ({ store, rowsOf }: System): Promise<string[]> => {
        const all: string[] = [];
        for await (const one of store.check(rowsOf)) all.push(one);
        return all;
      };

      beforeEach(async () => {
        told = [];
        config = {
          ...defaultConfig,
          audit: 'off',
          data: mkdtempSync(join(tmpdir(), 'tsela-index-')),
          mongoUrl: store === 'MongoDB' ? process.env['MONGODB_URL'] : undefined,
          mongoDatabase: `tsela_test_${process.pid}_${Math.random().toString(36).slice(2, 8)}`,
        };
        const system = await open();
        for (let from = 0; from < count; from += 400) {
          const entry = Array.from({ length: 400 }, (_, i) => ({
            resource: {
              ...colouredPatient(`p${from + i}`, 'red'),
              birthDate: '2000-01-01',
              active: i % 2 === 0,
            },
            request: { method: 'PUT', url: `Patient/p${from + i}` },
          }));
          expect((await send(system, 'POST', '', [], { resourceType: 'Bundle', type: 'transaction', entry })).status).toBe(200); // prettier-ignore
        }
        await system.close();
        expect(told).toEqual([]);
      });
      afterEach(async () => {
        if (store === 'MongoDB') {
          const { MongoClient } = await import('mongodb');
          const client = new MongoClient(config.mongoUrl!);
          await client.db(config.mongoDatabase).dropDatabase();
          await client.close();
        }
        rmSync(config.data, { recursive: true, force: true });
      });

      test('is made anew for another zone, and goes on where it was interrupted', async () => {
        const maseru = await open({ zone: 'Africa/Maseru' });
        expect(told).toEqual(['Search parameters have changed; making the index anew', 'Index made']);
        expect(await complaints(maseru)).toEqual([]);
        // As a kill within the next one would leave it: the note is there, the name is not.
        const wanted = await maseru.store.indexVersion();
        await maseru.documents.put('jobs', 'whole-index', { to: wanted, after: '', done: -1 });
        await maseru.store.clearIndex();
        await maseru.close();
        told = [];
        const again = await open({ zone: 'Africa/Maseru' });
        expect(told).toEqual(['Search parameters have changed; making the index anew', 'Index made']);
        expect(await total(again, 'birthdate', '2000')).toBe(count);
        expect(await complaints(again)).toEqual([]);
        // Half is made.
        await again.store.clearIndex();
        const { next } = await again.store.indexSome({ types: [], after: '', count: 500 }, again.rowsOf);
        await again.documents.put('jobs', 'whole-index', { to: wanted, after: next, done: 500 });
        await again.close();
        const last = await open({ zone: 'Africa/Maseru' });
        expect(await last.store.indexVersion()).toBe(wanted);
        expect(await last.documents.get('jobs', 'whole-index')).toBeUndefined();
        expect(await total(last, 'active', 'true')).toBe(count / 2);
        expect(await complaints(last)).toEqual([]);
        await last.close();
      });

      test('lost before it had a note is made anew all the same', async () => {
        const system = await open();
        await system.store.clearIndex();
        await system.close();
        const again = await open();
        expect(told).toEqual(['Search parameters have changed; making the index anew', 'Index made']);
        expect(await total(again, 'active', 'true')).toBe(count / 2);
        await again.close();
      });

      test('keeps custom parameters, also over a store that came back from before them', async () => {
        const before = join(config.data, 'before.sqlite');
        let system = await open();
        system.work();
        await send(system, 'PUT', 'SearchParameter/colour', [], colour);
        if (store === 'SQLite') await system.store.backup(before);
        expect((await send(system, 'POST', 'SearchParameter/colour/$reindex')).status).toBe(202);
        while ((await total(system, 'colour', 'red')) !== count)
          await new Promise(resolve => setTimeout(resolve, 20));
        await system.close();
        system = await open({ zone: 'Africa/Maseru' });
        expect(await total(system, 'colour', 'red')).toBe(count);
        expect(await complaints(system)).toEqual([]);
        await system.close();
        if (store !== 'SQLite') return;
        cpSync(before, join(config.data, 'tsela.sqlite'));
        told = [];
        system = await open();
        expect(told).toHaveLength(2);
        expect(await total(system, 'colour', 'red')).toBe(count);
        await system.close();
      });

      test.skipIf(store === 'SQLite')(
        'of another release stops the servers of the former one (a SQLite store has one server)',
        async () => {
          const former = await open();
          const next = await open({ zone: 'Africa/Maseru', data: `${config.data}/next` });
          const refused = await send(former, 'PUT', 'Patient/late', [], colouredPatient('late', 'red'));
          expect(refused.status).toBe(503);
          expect(JSON.stringify(refused.body)).toContain('Another release has made the index anew');
          expect((await send(former, 'GET', 'Patient', [['active', 'true']])).status).toBe(503);
          expect(await total(next, 'active', 'true')).toBe(count / 2);
          await former.close();
          await next.close();
        },
      );
    },
  );
}

// fhir-kit-client, as an app would use it, against a listening server. https://github.com/Vermonster/fhir-kit-client
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'fhir-kit-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultConfig } from '../../src/config.js';
import { start } from '../../src/main.js';

type Resource = { resourceType: string; id?: string; [name: string]: any }; // eslint-disable-line @typescript-eslint/no-explicit-any -- what the client answers

for (const store of ['SQLite', 'MongoDB'] as const) {
  const absent = store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;
  describe.skipIf(absent)(
    `fhir-kit-client on ${store}${absent ? ' (skipped: MONGODB_URL is not set)' : ''}`,
    () => {
      let client: Client;
      let folder: string;
      let server: { url: string; close(): Promise<void> };
      const database = `tsela_client_${process.pid}`;

      beforeAll(async () => {
        folder = mkdtempSync(join(tmpdir(), 'tsela-client-'));
        server = await start({
          ...defaultConfig,
          port: 0,
          open: true,
          data: folder,
          logLevel: 'silent',
          mongoUrl: store === 'MongoDB' ? process.env['MONGODB_URL'] : undefined,
          mongoDatabase: database,
        });
        client = new Client({ baseUrl: server.url });
      });
      afterAll(async () => {
        await server?.close();
        rmSync(folder, { recursive: true, force: true });
        if (store === 'MongoDB') {
          const { MongoClient } = await import('mongodb');
          const mongo = new MongoClient(process.env['MONGODB_URL']!);
          await mongo.db(database).dropDatabase();
          await mongo.close();
        }
      });
      const patient = (more: object = {}): Resource => ({
        resourceType: 'Patient',
        name: [{ family: 'Client' }],
        ...more,
      });

      it('creates, reads, vreads, updates, patches, deletes', async () => {
        const created = (await client.create({ resourceType: 'Patient', body: patient() })) as Resource;
        const id = created.id!;
        const read = (await client.read({ resourceType: 'Patient', id })) as Resource;
        expect(read).toEqual(created);
        const updated = (await client.update({
          resourceType: 'Patient',
          id,
          body: { ...read, active: true },
        })) as Resource;
        expect(updated['meta'].versionId).toBe('2');
        const first = (await client.vread({ resourceType: 'Patient', id, version: '1' })) as Resource;
        expect(first['active']).toBeUndefined();
        const patched = (await client.patch({
          resourceType: 'Patient',
          id,
          jsonPatch: [{ op: 'replace', path: '/active', value: false }],
        })) as Resource;
        expect(patched['active']).toBe(false);
        await client.delete({ resourceType: 'Patient', id });
        await expect(client.read({ resourceType: 'Patient', id })).rejects.toMatchObject({
          response: { status: 410 },
        });
        const history = (await client.history({ resourceType: 'Patient', id })) as Resource;
        expect(history['total']).toBe(4);
      });

      it('searches and follows next pages', async () => {
        for (let i = 0; i < 7; i++)
          await client.update({
            resourceType: 'Patient',
            id: `k${i}`,
            body: patient({ id: `k${i}`, birthDate: '1991-01-01' }),
          });
        let page = (await client.search({
          resourceType: 'Patient',
          searchParams: { birthdate: '1991-01-01', _count: 3 },
        })) as Resource | undefined;
        const seen: string[] = [];
        while (page !== undefined) {
          seen.push(
            ...((page['entry'] ?? []) as { resource: { id: string } }[]).map(entry => entry.resource.id),
          );
          page = await client.nextPage({ bundle: page as never });
        }
        expect(seen.sort()).toEqual(['k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6']);
      });

      it('posts batches and transactions, and reads capabilities', async () => {
        const entry = [{ resource: patient(), request: { method: 'POST', url: 'Patient' } }];
        const transaction = (await client.transaction({
          body: { resourceType: 'Bundle', type: 'transaction', entry },
        })) as Resource;
        expect(transaction['entry'][0].response.status).toMatch(/^201/);
        const batch = (await client.batch({
          body: { resourceType: 'Bundle', type: 'batch', entry },
        })) as Resource;
        expect(batch['entry'][0].response.status).toMatch(/^201/);
        const capabilities = (await client.capabilityStatement()) as Resource;
        expect(capabilities['fhirVersion']).toBe('4.0.1');
      });
    },
  );
}

// After sign-ins, tokens and failures of every kind, no secret is in the data folder and none in the log; what was asked
// and sent is not in the log either.
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { BSON, MongoClient } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../src/audit/log.js';
import { administrator, inputOf, linkIn, mailed } from './people-setup.js';
import { stores } from '../system.js';
import { Browser, assertion, exchange, json, launch, openSmartServer, password, post, refresh, tokenRequest, type SmartServer } from './smart-server.js'; // prettier-ignore

/** Of failing requests: their values and bodies. */
const marker = 'Zanzibar';

const filesIn = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name));

/** Every document as text. */
function inSqlite(data: string): string[] {
  const database = new Database(join(data, 'documents.sqlite'), { readonly: true });
  const rows = database.prepare('SELECT * FROM document').all();
  database.close();
  return rows.map(row => JSON.stringify(row));
}

/** Everything in the database, its bytes as Latin-1. */
async function inMongo(name: string): Promise<string[]> {
  const client = new MongoClient(process.env['MONGODB_URL']!);
  const rows: string[] = [];
  for (const collection of await client.db(name).collections())
    for await (const row of collection.find()) rows.push(Buffer.from(BSON.serialize(row)).toString('latin1'));
  await client.close();
  return rows;
}

describe.each(stores)('on %s', store => {
  const isAbsent = store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;
  describe.skipIf(isAbsent)(`secrets${isAbsent ? ' (skipped: MONGODB_URL is not set)' : ''}`, () => {
    let folder: string;
    let data: string;
    let logged: string;
    let server: SmartServer;
    /** What it is → what it was. */
    const secrets = new Map<string, string>();

    const mongoDatabase = `tsela_test_secrets_${process.pid}`;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tsela-secrets-'));
      data = join(folder, 'data');
      const log = createLog({ logLevel: 'debug' }, join(folder, 'log'));
      const authSecret = 'what everything else is derived from';
      const cursorSecret = 'what the links of pages are sealed by';
      const mailFolder = join(folder, 'mail');
      server = await openSmartServer(
        store,
        { data, authSecret, cursorSecret, mongoDatabase, mailFolder },
        log,
      );
      secrets.set('password', password).set('auth secret', authSecret).set('cursor secret', cursorSecret);

      const app = await server.app({ kind: 'secret' });
      secrets.set('client secret', app.secret!);
      const browser = new Browser();
      const open = browser.open.bind(browser);
      let cookies = 0;
      browser.open = async (url, init) => {
        const response = await open(url, init);
        for (const line of response.headers.getSetCookie()) {
          const value = /^[^=]+=([^;]{20,});/.exec(line)?.[1];
          if (value !== undefined) secrets.set(`cookie ${++cookies}`, value);
        }
        return response;
      };
      const launched = await launch(server, app, { browser });
      secrets.set('code', launched.code).set('verifier', launched.verifier);
      const tokens = await json(await exchange(server, app, launched));
      secrets.set('access token', tokens.access_token).set('refresh token', tokens.refresh_token);
      secrets.set('signature of the id token', tokens.id_token.split('.')[2]);
      const next = await json(await refresh(server, app, tokens.refresh_token));
      secrets.set('next access token', next.access_token).set('next refresh token', next.refresh_token);
      await refresh(server, app, tokens.refresh_token); // used again: all of them end

      const unused = await launch(server, app);
      secrets.set('unused code', unused.code);
      const backend = await server.app({ kind: 'key', redirectUris: [], scopes: ['system/*.cruds'] });
      const asserted = await assertion(server, backend);
      secrets.set('assertion', asserted.split('.')[2]!);
      const proof = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: asserted }; // prettier-ignore
      const service = await json(await tokenRequest(server, backend, { grant_type: 'client_credentials', scope: 'system/*.cruds', ...proof })); // prettier-ignore
      secrets.set('token of a service', service.access_token);
      secrets.set('registration token', await server.authorization.registrationToken(['patient/*.rs']));

      const admin = await administrator(server, 'admin');
      secrets.set('second factor', admin.secret);
      const people = `${server.origin}/auth/people`;
      const seal = inputOf(admin.page.text!, 'seal', 'invite');
      for (const address of ['', 'invited@example.org']) {
        const invited = await admin.browser.submit(people, { do: 'invite', seal, name: `invited ${address}`, is: 'Patient/mine', mail: address }); // prettier-ignore
        const text = address === '' ? invited.text! : (await mailed(mailFolder, address)).text;
        secrets.set(`invitation ${address}`, linkIn(text).split('=')[1]!);
      }
      await server.authorization.accounts.change(server.accounts.doctor.id, account => ({ ...account, mail: 'doctor@example.org' })); // prettier-ignore
      await browser.submit(`${server.origin}/auth/forgotten`, { name: 'doctor@example.org' });
      await browser.submit(`${server.origin}/auth/forgotten`, { name: `${marker}@example.org` });
      secrets.set('name of nobody', `${marker}@example.org`);
      const reset = await mailed(mailFolder, 'doctor@example.org');
      secrets.set('link for a new password', linkIn(reset.text).split('=')[1]!);

      const token = service.access_token as string;
      const fhir = (path: string, init: RequestInit = {}): Promise<Response> =>
        server.fhir(path, token, {
          ...init,
          headers: { 'content-type': 'application/fhir+json', ...init.headers },
        });
      const failing: readonly (readonly [status: number, response: Promise<Response>])[] = [
        [400, fhir(`Patient?nothing-like-that=${marker}`, { headers: { prefer: 'handling=strict' } })],
        [400, fhir(`Patient?birthdate=${marker}`)],
        [404, fhir(`Patient/${marker}`)],
        [400, fhir('Patient', { method: 'POST', body: `{"resourceType":"Patient","name":"${marker}"}` })],
        [400, fhir('Patient', { method: 'POST', body: `{"resourceType":"Patient", ${marker}` })],
        [412, fhir('Patient/mine', { method: 'PUT', headers: { 'if-match': 'W/"99"' }, body: `{"resourceType":"Patient","id":"mine","name":[{"family":"${marker}"}]}` })], // prettier-ignore
        [404, fhir('', { method: 'POST', body: `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"${marker}?name=${marker}"}}]}` })], // prettier-ignore
        [
          415,
          fhir('Patient', {
            method: 'POST',
            headers: { 'content-type': `application/${marker}` },
            body: marker,
          }),
        ],
        [401, server.fhir(`Patient?name=${marker}`, `${marker}${token}`)],
        [401, server.fhir(`Patient?access_token=${token}`)],
        [401, post(server, 'token', { ...app, secret: `${marker}secret` }, { grant_type: 'client_credentials', scope: marker })], // prettier-ignore
        [400, post(server, 'token', app, { grant_type: 'authorization_code', code: `${marker}code` })],
        [404, fetch(`${server.origin}/auth/${marker}?token=${token}`)],
        [404, fetch(`${server.origin}/${marker}?token=${token}`)],
      ];
      const answered = await Promise.all(failing.map(async ([, sent]) => (await sent).status));
      expect(answered).toEqual(failing.map(([status]) => status));
      log.flush();
      // A write that was under way may end after the flush.
      const read = (): void => {
        logged = readFileSync(join(folder, 'log'), 'utf8');
        for (const status of [400, 401, 404, 412, 415]) expect(logged).toContain(`"status":${status}`);
      };
      await vi.waitFor(read, { timeout: 120_000 });
    });
    afterAll(async () => {
      await server?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const heldBy = (text: string): string[] =>
      [...secrets].filter(([, secret]) => text.includes(secret)).map(([name]) => name);

    describe('no secret', () => {
      it('was forgotten by this test', () => {
        expect(secrets.size).toBeGreaterThan(14);
        for (const [name, secret] of secrets) expect([name, secret.length > 15]).toEqual([name, true]);
      });

      it('is in any file of the data folder', () => {
        const files = filesIn(data);
        expect(files.length).toBeGreaterThan(store === 'SQLite' ? 3 : 0);
        for (const file of files) expect([file, heldBy(readFileSync(file, 'latin1'))]).toEqual([file, []]);
      });

      it('is in any document, wherever the database put its pieces', async () => {
        const rows = await (store === 'SQLite' ? inSqlite(data) : inMongo(mongoDatabase));
        expect(rows.length).toBeGreaterThan(10);
        for (const row of rows) expect([row.slice(0, 60), heldBy(row)]).toEqual([row.slice(0, 60), []]);
        const all = rows.join(' ');
        expect(all).toContain('$argon2id$');
        // Only where none is configured is one made and kept.
        expect(all).not.toMatch(/auth-secret|cursor-key/);
      });

      it('is in the log at its lowest level', () => {
        expect(logged.split('\n').length).toBeGreaterThan(20);
        expect(heldBy(logged)).toEqual([]);
      });
    });

    it('the log has nothing of what was asked and sent', () => {
      expect(logged.split('\n').filter(line => line.includes(marker))).toEqual([]);
      for (const name of ['Nthako', 'Pule', '1990-05-01']) expect(logged).not.toContain(name);
    });

    it.skipIf(process.platform === 'win32')('nobody else may read the files (not on Windows)', () => {
      const open = [data, ...filesIn(data)].filter(path => (statSync(path).mode & 0o077) !== 0);
      expect(open).toEqual([]);
    });
  });
});

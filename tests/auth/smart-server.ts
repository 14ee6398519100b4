// A whole server on a port with people, apps and records, and what an app and a browser do to get a token from it.
import { createHash, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, vi } from 'vitest';
import { silentLog, type Log } from '../../src/audit/log.js';
import type { Account } from '../../src/auth/accounts.js';
import type { NewClient } from '../../src/auth/clients.js';
import { defaultConfig, type Config } from '../../src/config.js';
import { putFacility } from '../../src/facilities/facility.js';
import { start, type Running } from '../../src/main.js';
import { openDocuments } from '../../src/system.js';
import { freePort } from '../free-port.js';
import { stores } from '../system.js';

export const password = 'a long enough password';
export const redirectUri = 'https://app.example.org/after';

export interface SmartServer extends Running {
  readonly config: Config;
  /** Where it listens. */
  readonly port: number;
  readonly accounts: Readonly<Record<'doctor' | 'patient' | 'proxy', Account>>;
  /** Registers an app with what differs from a public one that may have everything of a patient. */
  app(client?: Partial<NewClient>): Promise<App>;
  /** A FHIR request with a token. */
  fhir(path: string, token?: string, init?: RequestInit): Promise<Response>;
  stop(): Promise<void>;
}

export interface App {
  readonly id: string;
  readonly secret?: string;
  readonly key?: KeyObject;
  readonly kind: NewClient['kind'];
}

export const everyScope =
  'openid fhirUser profile offline_access online_access launch launch/patient launch/encounter patient/*.cruds user/*.cruds';

export async function openSmartServer(
  store: 'SQLite' | 'MongoDB',
  { seeded = true, ...changes }: Partial<Config> & { seeded?: boolean } = {},
  log: Log = silentLog,
): Promise<SmartServer> {
  const folder = changes.data ?? mkdtempSync(join(tmpdir(), 'tsela-smart-'));
  const port = await freePort();
  const config: Config = {
    ...defaultConfig,
    port,
    data: folder,
    mongoUrl: store === 'MongoDB' ? process.env['MONGODB_URL'] : undefined,
    mongoDatabase: `tsela_test_${process.pid}_${randomBytes(4).toString('hex')}`,
    ...changes,
  };
  const failures: unknown[] = [];
  const running = await start(config, {
    ...log,
    error(fields, message) {
      const { err } = fields;
      // A facility that is still being opened says so, and that is no failure; nor is a mail server that is away.
      const isExpected =
        err instanceof Error && (('code' in err && err.code === 'unavailable') || err.name === 'NotSent');
      if (!isExpected) failures.push(err);
      log.error(fields, message);
    },
  });
  const { accounts, clients } = running.authorization;
  const add = (name: string, fhirUser: string, role: string, patients?: readonly string[]) =>
    accounts.add({ name, password, fhirUser, roles: [role], ...(patients ? { patients } : {}) });
  const made = {
    doctor: await add('doctor', 'Practitioner/doctor', 'doctor'),
    patient: await add('patient', 'Patient/mine', 'patient', ['mine']),
    proxy: await add('proxy', 'RelatedPerson/mother', 'proxy', ['mine', 'other']),
  };
  const server: SmartServer = {
    ...running,
    config,
    port,
    accounts: made,
    async app(client = {}) {
      const kind = client.kind ?? 'public';
      const pair = kind === 'key' ? generateKeyPairSync('ec', { namedCurve: 'P-384' }) : undefined;
      const own = client.jwksUri !== undefined || client.jwks !== undefined;
      const added = await clients.add({
        name: 'An app',
        kind,
        redirectUris: [redirectUri],
        scopes: everyScope.split(' '),
        ...(pair && !own
          ? { jwks: { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES384' }] } }
          : {}),
        ...client,
      });
      return {
        id: added.client.id,
        kind,
        ...(added.secret === undefined ? {} : { secret: added.secret }),
        ...(pair === undefined ? {} : { key: pair.privateKey }),
      };
    },
    fhir: (path, token, init = {}) =>
      fetch(`${running.url}/${path}`, {
        ...init,
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...init.headers },
      }),
    async stop() {
      await running.close();
      if (config.mongoUrl !== undefined) await dropDatabase(config);
      rmSync(folder, { recursive: true, force: true });
      expect(failures).toEqual([]);
    },
  };
  if (seeded) await seed(server);
  return server;
}

async function dropDatabase(config: Config): Promise<void> {
  const { MongoClient } = await import('mongodb');
  const client = new MongoClient(config.mongoUrl!);
  await client.db(config.mongoDatabase).dropDatabase();
  await client.close();
}

/** The access token of a service registered for it, which may do what the scope says. */
export async function serviceToken(
  server: SmartServer,
  scope: string,
  { client = {}, fields = {} }: { client?: Partial<NewClient>; fields?: Record<string, string> } = {},
): Promise<string> {
  const service = await server.app({ kind: 'secret', redirectUris: [], scopes: scope.split(' '), ...client });
  const asked = { grant_type: 'client_credentials', scope, ...fields };
  return (await json(await tokenRequest(server, service, asked))).access_token;
}

/** The FHIR base of a facility that a running server gets and serves. */
export async function facilityAt({ config, origin }: SmartServer, id: string): Promise<string> {
  const documents = await openDocuments(config);
  const facility = { id, name: id, organizations: [], clients: [] };
  await putFacility(documents, facility, true).finally(() => documents.close());
  const base = `${origin}/facilities/${id}/fhir`;
  await vi.waitFor(async () => expect((await fetch(`${base}/metadata`)).status).toBe(200), 30_000);
  return base;
}

async function seed(server: SmartServer): Promise<void> {
  const token = await serviceToken(server, 'system/*.cruds');
  const category = (code: string) => [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code }] },
  ];
  const observation = (id: string, patient: string, kind: string) => ({
    resourceType: 'Observation',
    id,
    status: 'final',
    code: { text: id },
    category: category(kind),
    subject: { reference: `Patient/${patient}` },
  });
  for (const resource of [
    { resourceType: 'Practitioner', id: 'doctor', name: [{ family: 'Moleko' }] },
    {
      resourceType: 'Patient',
      id: 'mine',
      name: [{ family: 'Nthako', given: ['Pule'] }],
      birthDate: '1990-05-01',
    },
    { resourceType: 'Patient', id: 'other', name: [{ family: 'Letsie', given: ['Neo'] }] },
    { resourceType: 'RelatedPerson', id: 'mother', patient: { reference: 'Patient/mine' } },
    {
      resourceType: 'Encounter',
      id: 'visit',
      status: 'finished',
      class: { code: 'AMB' },
      subject: { reference: 'Patient/mine' },
      period: { start: '2027-01-04T10:00:00Z' },
    },
    observation('lab', 'mine', 'laboratory'),
    observation('vital', 'mine', 'vital-signs'),
    observation('foreign', 'other', 'laboratory'),
  ]) {
    const response = await server.fhir(`${resource.resourceType}/${resource.id}`, token, {
      method: 'PUT',
      headers: { 'content-type': 'application/fhir+json' },
      body: JSON.stringify(resource),
    });
    if (!response.ok) throw new Error(`${resource.id}: ${response.status} ${await response.text()}`);
  }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look deep into bodies
export const json = async (response: Response): Promise<any> => response.json();

/** A browser: keeps cookies by path, follows nothing by itself. */
export class Browser {
  readonly #cookies = new Map<string, { value: string; path: string }>();

  /** Of its cookies, without signatures. */
  values(): string[] {
    return [...this.#cookies].filter(([key]) => !key.includes('.sig ')).map(([, { value }]) => value);
  }

  async open(url: string, init: RequestInit = {}): Promise<Response> {
    const { pathname, origin } = new URL(url);
    const cookie = [...this.#cookies]
      .filter(
        ([, { path }]) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`),
      )
      .map(([key, { value }]) => `${key.split(' ')[0]!}=${value}`)
      .join('; ');
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      headers: {
        ...(cookie === '' ? {} : { cookie }),
        ...(init.method === 'POST' ? { origin } : {}),
        ...init.headers,
      },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(/; */);
      const at = pair.indexOf('=');
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      const path = attributes.find(each => /^path=/i.test(each))?.slice(5) ?? '/';
      if (value === '' || /expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(`${name} ${path}`);
      else this.#cookies.set(`${name} ${path}`, { value, path });
    }
    return response;
  }

  /** Follows redirects of this server until a page, or an address elsewhere. */
  async follow(
    url: string,
    init: RequestInit = {},
  ): Promise<{ url: string; response?: Response; text?: string }> {
    const home = new URL(url).origin;
    let response = await this.open(url, init);
    for (let hops = 0; hops < 10; hops++) {
      const location = response.headers.get('location');
      if (location === null) return { url, response, text: await response.text() };
      url = new URL(location, url).href;
      if (new URL(url).origin !== home) return { url };
      response = await this.open(url);
    }
    throw new Error(`too many redirects, last to ${url}`);
  }

  /** Sends a form of the page. */
  submit(url: string, fields: Record<string, string | readonly string[]>): ReturnType<Browser['follow']> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields))
      for (const each of typeof value === 'string' ? [value] : value) body.append(name, each);
    return this.follow(url, { method: 'POST', body });
  }
}

/** Values of the checked boxes and hidden fields with this name. */
export const valuesOf = (page: string, name: string): string[] =>
  [...page.matchAll(/<input\s[^>]*>/g)]
    .map(([tag]) => tag)
    .filter(tag => tag.includes(`name="${name}"`) && (/type="hidden"/.test(tag) || /\schecked/.test(tag)))
    .map(tag => /value="([^"]*)"/.exec(tag)![1]!.replaceAll('&amp;', '&'));

export interface LaunchOptions {
  readonly scope?: string;
  readonly as?: string;
  readonly browser?: Browser;
  /** Changes of the authorization request; undefined leaves a parameter out. */
  readonly params?: Readonly<Record<string, string | undefined>>;
  readonly post?: boolean;
  /** What is chosen on the consent page; absent: everything that is offered. */
  readonly choose?: readonly string[];
  readonly patient?: string;
  readonly encounter?: string;
  readonly endpoint?: string;
}

export interface Launched {
  readonly code: string;
  readonly verifier: string;
  /** The address the browser came back to, with its parameters. */
  readonly back: URL;
}

export const pkce = (verifier = randomBytes(32).toString('base64url')) => ({
  verifier,
  challenge: createHash('sha256').update(verifier).digest('base64url'),
});

export function authorizeParams(
  server: SmartServer,
  app: App,
  { scope, params = {} }: LaunchOptions,
  challenge: string,
): URLSearchParams {
  // prettier-ignore
  const all: Record<string, string | undefined> = {
    response_type: 'code',
    client_id: app.id,
    redirect_uri: redirectUri,
    scope: scope ?? 'launch/patient openid fhirUser offline_access patient/*.rs',
    state: 'state-1',
    aud: server.url,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...params,
  };
  return new URLSearchParams(
    Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
}

/** An app's request up to the redirect back, with sign-in and consent by a person. */
export async function launch(server: SmartServer, app: App, options: LaunchOptions = {}): Promise<Launched> {
  const { verifier, challenge } = pkce();
  const browser = options.browser ?? new Browser();
  const query = authorizeParams(server, app, options, challenge);
  const endpoint = options.endpoint ?? `${server.origin}/auth/authorize`;
  let at = options.post
    ? await browser.follow(endpoint, { method: 'POST', body: query })
    : await browser.follow(`${endpoint}?${query.toString()}`);
  if (at.text?.includes('name="password"'))
    at = await browser.submit(at.url, { name: options.as ?? 'doctor', password });
  for (let page = 0; page < 3 && at.text?.includes('name="answer"'); page++) {
    const given = options.patient ?? 'mine';
    at = await browser.submit(at.url, {
      answer: 'allow',
      scope: options.choose ?? valuesOf(at.text, 'scope'),
      ...(at.text.includes('name="patient"') ? { patient: given } : {}),
      ...(options.encounter === undefined ? {} : { encounter: options.encounter }),
    });
  }
  const back = new URL(at.url);
  if (back.origin === server.origin && at.text !== undefined)
    throw new Error(`ended at ${at.response?.status} ${at.text.replace(/<[^>]+>|\s+/g, ' ')}`);
  return { code: back.searchParams.get('code') ?? '', verifier, back };
}

export interface AssertionChanges {
  readonly payload?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: KeyObject;
}

export async function assertion(
  server: SmartServer,
  app: App,
  { payload = {}, header = {}, key }: AssertionChanges = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims: Record<string, unknown> = {
    iss: app.id,
    sub: app.id,
    aud: `${server.origin}/auth/token`,
    exp: now + 300,
    jti: randomBytes(16).toString('hex'),
    ...payload,
  };
  const protectedHeader: Record<string, unknown> = { alg: 'ES384', kid: 'k1', typ: 'JWT', ...header };
  for (const part of [claims, protectedHeader])
    for (const name of Object.keys(part)) if (part[name] === undefined) delete part[name];
  return new SignJWT(claims).setProtectedHeader(protectedHeader as { alg: string }).sign(key ?? app.key!);
}

/** POST to the token endpoint, with the client's own way to prove who it is. */
export async function tokenRequest(
  server: SmartServer,
  app: App,
  fields: Record<string, string | undefined>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return post(server, 'token', app, fields, headers);
}

export async function post(
  server: SmartServer,
  endpoint: string,
  app: App | undefined,
  fields: Record<string, string | undefined>,
  headers: Record<string, string> = {},
): Promise<Response> {
  const proof: Record<string, string> = {};
  const authorization: Record<string, string> = {};
  if (app?.kind === 'public' && !('client_id' in fields)) proof['client_id'] = app.id;
  if (app?.kind === 'secret' && app.secret !== undefined)
    authorization['authorization'] =
      `Basic ${Buffer.from(`${encodeURIComponent(app.id)}:${app.secret}`).toString('base64')}`;
  if (app?.kind === 'key' && !('client_assertion' in fields)) {
    proof['client_assertion_type'] = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
    proof['client_assertion'] = await assertion(server, app);
  }
  const body = new URLSearchParams(
    Object.entries({ ...proof, ...fields }).filter((pair): pair is [string, string] => pair[1] !== undefined),
  );
  return fetch(`${server.origin}/auth/${endpoint}`, {
    method: 'POST',
    body,
    headers: { ...authorization, ...headers },
  });
}

/** Exchanges what a launch gave. */
export const exchange = (
  server: SmartServer,
  app: App,
  { code, verifier }: Pick<Launched, 'code' | 'verifier'>,
  changes: Record<string, string | undefined> = {},
  headers?: Record<string, string>,
): Promise<Response> =>
  tokenRequest(
    server,
    app,
    {
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: verifier,
      ...changes,
    },
    headers,
  );

/** A launch to its token response. */
export async function signedIn(server: SmartServer, app: App, options: LaunchOptions = {}) {
  const response = await exchange(server, app, await launch(server, app, options));
  const body = await json(response);
  if (response.status !== 200) throw new Error(JSON.stringify(body));
  return body;
}

export const refresh = (
  server: SmartServer,
  app: App,
  token: string,
  more: Record<string, string | undefined> = {},
): Promise<Response> =>
  tokenRequest(server, app, { grant_type: 'refresh_token', refresh_token: token, ...more });

/** The same behaviour on every store; MongoDB is skipped where MONGODB_URL names none. */
export function onEveryServer(
  name: string,
  tests: (server: () => SmartServer) => void,
  changes: Partial<Config> = {},
): void {
  for (const store of stores) {
    const absent = store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;
    describe.skipIf(absent)(
      `${name} on ${store}${absent ? ' (skipped: MONGODB_URL is not set)' : ''}`,
      () => {
        let server: SmartServer | undefined;
        beforeAll(async () => {
          server = await openSmartServer(store, changes);
        });
        afterAll(async () => server?.stop());
        tests(() => server!);
      },
    );
  }
}

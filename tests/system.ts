// A whole Tsela without a transport, on each store this machine has: what the interaction tests talk to.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { OPEN, type Grant } from '../src/auth/grant.js';
import { defaultConfig, isAudited, type Config } from '../src/config.js';
import { parseJson, type JsonObject } from '../src/fhir/json.js';
import type { FhirResponse } from '../src/interactions/exchange.js';
import { createSystem, type System } from '../src/system.js';
import { openDistrict } from '../src/system/district.js';
import { carryLargeBundles } from '../src/system/large-bundles.js';
import type { Json } from './json.js';

export const base = 'http://tsela.test/fhir';

export interface Answer {
  readonly status: number;
  readonly headers: FhirResponse['headers'];
  readonly text: string;
  /** The parsed body, as plain as fetch().json() would give it. */
  readonly body: Json;
}

export type Send = (
  method: string,
  url: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

export interface Tsela {
  readonly system: System;
  readonly send: Send;
  /** What another grant than that of open mode is answered. */
  as(grant: Grant): Send;
  close(): Promise<void>;
}

export interface Means {
  /** Whether Bundles of any size are carried out in the thread for large ones. */
  readonly isCarried?: boolean;
}

/** Opens a system on a store of its own; `reopen` keeps the data. */
export async function openTsela(
  store: 'SQLite' | 'MongoDB',
  changes: Partial<Config> = {},
  { isCarried = false }: Means = {},
): Promise<Tsela> {
  const folder = mkdtempSync(join(tmpdir(), 'tsela-'));
  const config: Config = {
    ...defaultConfig,
    data: folder,
    audit: 'off',
    mongoUrl: store === 'MongoDB' ? process.env['MONGODB_URL'] : undefined,
    mongoDatabase: `tsela_test_${process.pid}_${Math.random().toString(36).slice(2, 8)}`,
    ...changes,
  };
  const failures: unknown[] = [];
  const notices = { info: () => undefined, failure: (error: unknown) => failures.push(error) };
  const audited = { isAudited: isAudited(config) };
  const system = await createSystem(config, base, notices, audited);
  const parts = { config, origin: base.replace(/\/fhir$/, ''), main: system, notices, ...audited };
  const district = isCarried ? await openDistrict(parts) : undefined;
  const bundles = district && carryLargeBundles({ ...parts, district, from: 0 });
  if ((await bundles?.start()) === false)
    throw new Error('the thread does not serve', { cause: failures.at(-1) });
  const as =
    (grant: Grant): Send =>
    async (method, url, body, headers = {}) => {
      const [path = '', ...rest] = url.split('?');
      const query = rest.join('?');
      const bytes =
        body === undefined
          ? undefined
          : body instanceof Uint8Array
            ? body
            : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
      const response = await (bundles ?? system).dispatch(
        {
          method,
          path: path
            .split('/')
            .filter(segment => segment !== '')
            .map(decodeURIComponent),
          query: [...new URLSearchParams(query)],
          headers: {
            ...(bytes === undefined ? {} : { 'content-type': 'application/fhir+json' }),
            ...headers,
          },
          ...(bytes === undefined ? {} : { body: bytes }),
          base,
          id: 'test',
        },
        grant,
      );
      const text = response.body === undefined ? '' : Buffer.from(response.body).toString();
      const json = (response.headers['content-type'] ?? '').includes('json') && text !== '';
      if (response.status >= 500) throw new Error(`${method} ${url} failed`, { cause: failures.at(-1) });
      if (json) parseJson(text);
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: json ? (JSON.parse(text) as JsonObject) : {},
      };
    };
  return {
    system,
    send: as(OPEN),
    as,
    async close() {
      await bundles?.close();
      await district?.close();
      await system.close();
      if (store === 'MongoDB') await dropDatabase(config);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when the clock shows a later millisecond: what is written then has another time than what was written before. */
export async function nextMillisecond(): Promise<void> {
  for (const now = Date.now(); Date.now() === now;) await new Promise(setImmediate);
}

async function dropDatabase(config: Config): Promise<void> {
  const { MongoClient } = await import('mongodb');
  const client = new MongoClient(config.mongoUrl!);
  try {
    await client.db(config.mongoDatabase).dropDatabase();
  } finally {
    await client.close();
  }
}

export const stores: readonly ('SQLite' | 'MongoDB')[] = ['SQLite', 'MongoDB'];
const absent = (store: string): boolean => store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;

/** Describes the same behaviour on every store; MongoDB is skipped where MONGODB_URL names none. */
export function onEveryStore(
  name: string,
  changes: Partial<Config>,
  tests: (tsela: () => Tsela) => void,
  ways: readonly Means[] = [{}],
): void {
  for (const store of stores) {
    for (const means of ways) {
      describe.skipIf(absent(store))(
        `${name} on ${store}${means.isCarried ? ', Bundles in a thread' : ''}${absent(store) ? ' (skipped: MONGODB_URL is not set)' : ''}`,
        () => {
          let opened: Tsela;
          beforeAll(async () => {
            opened = await openTsela(store, changes, means);
          });
          afterAll(async () => opened?.close());
          tests(() => opened);
        },
      );
    }
  }
}

/** On every store, with Bundles in the main thread and in the one for large Bundles. */
export const onEveryStoreAndThread: typeof onEveryStore = (name, changes, tests) =>
  onEveryStore(name, changes, tests, [{}, { isCarried: true }]);

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

export const base = 'http://tsela.test/fhir';

export interface Answer {
  readonly status: number;
  readonly headers: FhirResponse['headers'];
  readonly text: string;
  /** The parsed body, as plain as fetch().json() would give it. */
  readonly body: Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any -- tests look deep into bodies
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

/** Opens a system on a store of its own; `reopen` keeps the data. */
export async function openTsela(store: 'SQLite' | 'MongoDB', changes: Partial<Config> = {}): Promise<Tsela> {
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
  const system = await createSystem(config, base, notices, { isAudited: isAudited(config) });
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
      const response = await system.dispatch(
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
      if (store === 'MongoDB') await dropDatabase(config);
      await system.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
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
): void {
  for (const store of stores) {
    describe.skipIf(absent(store))(
      `${name} on ${store}${absent(store) ? ' (skipped: MONGODB_URL is not set)' : ''}`,
      () => {
        let opened: Tsela;
        beforeAll(async () => {
          opened = await openTsela(store, changes);
        });
        afterAll(async () => opened?.close());
        tests(() => opened);
      },
    );
  }
}

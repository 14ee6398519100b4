// What the loader's tests share: a folder to load from, a server to load into, and resources to load.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { tsela, type Ran } from './cli.js';
import { listen, type FhirServer } from './fhir-server.js';

/** New for each test of the file that imports this. */
export let folder: string;
export let server: FhirServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-load-'));
  server = await listen();
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a file into the folder; answers its path. */
export const put = (name: string, content: string | Buffer | object): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(
    path,
    typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content),
  );
  return path;
};
export const load = (...args: string[]): Promise<Ran> => tsela(['load', ...args, '--url', server.url]);
export const patient = (id: string | undefined, more: object = {}): object => ({
  resourceType: 'Patient',
  ...(id === undefined ? {} : { id }),
  ...more,
});
export const ndjson = (...resources: object[]): string =>
  resources.map(one => `${JSON.stringify(one)}\n`).join('');
export const transaction = (...resources: object[]): object => ({
  resourceType: 'Bundle',
  type: 'transaction',
  entry: resources.map(resource => ({ resource, request: { method: 'POST', url: 'Patient' } })),
});
export const patients = (count: number): object[] =>
  Array.from({ length: count }, (_, i) => patient(`p${i}`));
export const ids = (): (string | undefined)[] => server.stored.map(one => one.id);

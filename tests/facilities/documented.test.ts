// docs/facilities.md, run as it is written: the commands on a folder, the request on a server started on it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readConfig } from '../../src/config.js';
import { start, type Running } from '../../src/main.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/facilities.md'), 'utf8');
// The page is about the embedded store.
const { MONGODB_URL: _, ...withoutMongo } = process.env;
let folder: string;
let running: Running | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-facilities-docs-'));
});
afterAll(async () => {
  await running?.close();
  rmSync(folder, { recursive: true, force: true });
});

it('adds facilities and moves a patient as the page says', async () => {
  const commands = page.split('\n').flatMap(line => (line.startsWith('    tsela ') ? [line.trim()] : []));
  expect(commands).toHaveLength(3);
  let printed = '';
  for (const command of commands) {
    const [, ...words] = (command.match(/"[^"]*"|\S+/g) ?? []).map(word => word.replace(/^"(.*)"$/, '$1'));
    printed = execFileSync(
      process.execPath,
      [join(root, 'dist/cli.js'), ...words.map(word => (word === './data' ? folder : word))],
      { encoding: 'utf8', env: withoutMongo },
    );
  }
  expect(printed.split('\n').map(line => line.split('\t').slice(0, 3))).toEqual([
    ['maseru', 'Maseru Hospital', '/facilities/maseru/fhir'],
    ['quthing', 'Quthing Hospital', '/facilities/quthing/fhir'],
    [''],
  ]);

  running = await start(readConfig({ data: folder, port: '0', open: 'true' }, {}));
  const headers = { 'content-type': 'application/fhir+json' };
  const patient = {
    resourceType: 'Patient',
    id: '123',
    managingOrganization: { reference: 'Organization/quthing-hospital' },
  };
  const made = await fetch(`${running.url}/Patient/123`, {
    method: 'PUT',
    headers,
    body: JSON.stringify(patient),
  });
  expect(made.status).toBe(201);
  expect((await fetch(`${running.origin}/facilities/quthing/fhir/Patient/123`)).status).toBe(200);

  const [, path = '', body = ''] =
    /curl -X POST http:\/\/127\.0\.0\.1:8080(\S+)[^']*'[^']*'[^']*'(\{.*\})'/s.exec(page) ?? [];
  const moved = await fetch(running.origin + path, { method: 'POST', headers, body });
  expect(moved.status, await moved.text()).toBe(200);
  expect((await fetch(`${running.origin}/facilities/maseru/fhir/Patient/123`)).status).toBe(200);
});

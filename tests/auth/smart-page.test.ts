// docs/smart.md is true: its commands and its programs are run, in order, against one server.
import { spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  Browser,
  json,
  openSmartServer,
  signedIn,
  serviceToken,
  valuesOf,
  type SmartServer,
} from './smart-server.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/smart.md'), 'utf8');
const blocks = [...page.matchAll(/^```(sh|js|json)\n([\s\S]*?)^```$/gm)].map(([, kind, text]) => ({
  kind: kind!,
  text: text!,
}));

const folder = mkdtempSync(join(tmpdir(), 'tsela-page-'));
let server: SmartServer;
beforeAll(async () => {
  server = await openSmartServer('SQLite', { data: folder });
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a line of the page; answers what it printed. */
function command(line: string): Promise<string> {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
  const env: NodeJS.ProcessEnv = { ...process.env };
  delete env['MONGODB_URL'];
  env['TSELA_LOGIN_PROVIDERS'] = join(folder, 'providers.json');
  const args = [join(root, 'dist/cli.js'), ...words.slice(1), '--data', folder];
  const child = spawn(process.execPath, args, { cwd: folder, env });
  let out = '';
  let err = '';
  child.stdout.on('data', chunk => (out += chunk));
  child.stderr.on('data', chunk => (err += chunk));
  return new Promise((resolve, reject) =>
    child.on('close', code => (code === 0 ? resolve(out) : reject(new Error(`${line}: ${err}`)))),
  );
}

it('holds commands that work and programs that get what it says', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'key-1', alg: 'ES384', use: 'sig' };
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ keys: [key] }));
  const [providers, brand] = blocks.flatMap(({ kind, text }) => (kind === 'json' ? [text] : []));
  writeFileSync(join(folder, 'providers.json'), providers!);
  writeFileSync(join(folder, 'brand.json'), brand!);
  const loading = await serviceToken(server, 'system/*.cruds');
  const put = await server.fhir('Patient/pule', loading, {
    method: 'PUT',
    headers: { 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Patient', id: 'pule', name: [{ family: 'Nthako' }] }),
  });
  expect(put.status).toBe(201);

  const printed: string[] = [];
  for (const { text } of blocks.filter(({ kind }) => kind === 'sh'))
    for (const line of text.trim().split('\n')) printed.push(await command(line));
  const password = /Password {2}(\S+)/.exec(printed.find(out => out.startsWith('Added mpho'))!)![1]!;

  await expect
    .poll(async () => json(await fetch(`${server.url}/.well-known/user-access-brands`)))
    .toMatchObject({ type: 'collection' });

  const preferences = { id: 'preferences', kind: 'public' as const };
  const signInAt = async (request: URL): Promise<URL> => {
    const browser = new Browser();
    const at = await browser.follow(request.href);
    const consent = await browser.submit(at.url, { name: 'mpho', password });
    const back = await browser.submit(consent.url, {
      answer: 'allow',
      patient: 'pule',
      scope: valuesOf(consent.text!, 'scope'),
    });
    return new URL(back.url);
  };
  const ehr = await server.app({ launches: true, trusted: true, scopes: ['user/*.rs'] });
  const { access_token: ehrToken } = await signedIn(server, ehr, { scope: 'user/*.rs' });
  const at = await server.authorization.accounts.add({ name: 'mpho-2', password: 'a long enough password', fhirUser: 'Practitioner/mpho', roles: ['doctor'] }); // prettier-ignore
  const { access_token: preferencesToken } = await signedIn(server, preferences, { as: at.name, scope: 'user/Basic.cuds', params: { redirect_uri: 'https://app.example.org/after' } }); // prettier-ignore
  const given = {
    base: server.url,
    randomBytes,
    createHash,
    generateKeyPairSync,
    randomUUID,
    sign,
    signInAt,
    ehrToken,
    preferencesToken,
    privateKey,
  };
  const program = blocks
    .filter(({ kind }) => kind === 'js')
    .map(({ text }) => text)
    .join('\n');
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the page's own programs
  const run = new Function(
    ...Object.keys(given),
    `return (async () => {\n${program}\nreturn { token, patient, next, launch, service, states, bound, proven };\n})()`,
  ) as (...values: unknown[]) => Promise<Record<string, Record<string, unknown>>>;
  const result = await run(...Object.values(given));
  expect(result['token']).toMatchObject({ patient: 'pule', expires_in: 3600, token_type: 'Bearer' });
  expect(result['patient']).toMatchObject({ resourceType: 'Patient', id: 'pule' });
  expect(result['next']).toMatchObject({ patient: 'pule', scope: result['token']!['scope'] });
  expect(result['launch']!['launch_uri']).toMatch(/^http:\/\/127\.0\.0\.1:8090\/launch\?iss=.*&launch=/);
  expect([result['bound']!['token_type'], result['proven']!['status']]).toEqual(['DPoP', 200]);
  expect(result['states']).toMatchObject({ total: 1 });
  expect(result['service']).toMatchObject({ scope: 'system/Patient.rs', expires_in: 300 });
});

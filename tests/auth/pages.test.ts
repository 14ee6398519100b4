// docs/roles.md and docs/consent.md, by their own examples.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { lettersFor, readRole, shipped } from '../../src/auth/roles.js';
import { settings } from '../../src/settings.js';
import { onEveryStore, type Send } from '../system.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');
const blocks = (name: string, kind: string): string[] =>
  [...page(name).matchAll(new RegExp(`\`\`\`${kind}\\n([^\`]*)\`\`\``, 'g'))].map(match => match[1]!);

/** The folder's own store, whichever database the machine has. */
const { MONGODB_URL: _, ...embedded } = process.env;

it('docs/roles.md: the commands do what it says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsela-roles-'));
  try {
    writeFileSync(join(folder, 'nurse.json'), blocks('roles.md', 'json')[0]!);
    const run = (line: string): string =>
      execFileSync(process.execPath, [join(root, 'dist/cli.js'), ...line.split(' ').slice(1), '--data', folder], { cwd: folder, encoding: 'utf8', env: embedded }); // prettier-ignore
    const [list, show, set, reset] = blocks('roles.md', 'sh')[0]!.trim().split('\n') as [string, string, string, string]; // prettier-ignore
    expect(run(list).trim().split('\n').map(line => line.split('\t')[0])).toEqual([...shipped.keys()]);
    expect(JSON.parse(run(show))).toEqual(shipped.get('nurse'));
    expect(run(set)).toContain('within ten seconds');
    expect(JSON.parse(run(show))).toEqual(JSON.parse(blocks('roles.md', 'json')[0]!));
    expect(run(list)).toMatch(/^nurse\t.*\(changed\)$/m);
    expect(run(reset)).toContain('again');
    expect(JSON.parse(run(show))).toEqual(shipped.get('nurse'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}); // prettier-ignore

it('docs/roles.md: has each role, and an example that is one', () => {
  const rows = [...page('roles.md').matchAll(/^\| (\w+) \|/gm)].map(match => match[1]);
  expect(rows).toEqual(['role', ...shipped.keys()]);
  const role = readRole(JSON.parse(blocks('roles.md', 'json')[0]!));
  expect([lettersFor(role, 'Observation'), lettersFor(role, 'Condition')]).toEqual(['crus', '']);
});

it('docs/consent.md: names settings that there are', () => {
  const named = [...page('consent.md').matchAll(/TSELA_\w+/g)].map(match => match[0]);
  const known = Object.values(settings).map(({ env }) => env);
  expect(named.filter(name => !known.includes(name))).toEqual([]);
});

onEveryStore('docs/consent.md', { audit: 'on' }, tsela => {
  const person = async (id: string, role: string, more: object = {}): Promise<Send> =>
    tsela().as(
      await tsela().system.compile({
        sub: id,
        clientId: 'app',
        user: { account: id, fhirUser: role === 'patient' ? `Patient/${id}` : `Practitioner/${id}`, roles: [role], ...more },
        ...(role === 'patient' ? { patient: id } : {}),
        scopes: ['user/*.cruds'],
        grantId: 'g',
      }),
    );
  it('does what it says', async () => {
    const { send } = tsela();
    await send('PUT', 'Patient/pule', { resourceType: 'Patient', id: 'pule' });
    for (const id of ['private', 'usual'])
      await send('PUT', `Observation/${id}`, { resourceType: 'Observation', id, status: 'final', code: { text: id }, subject: { reference: 'Patient/pule' } });
    const [hideOne, onlyOne, reason] = blocks('consent.md', 'json').map(text => JSON.parse(text) as object);
    const pule = await person('pule', 'patient', { patients: ['pule'] });
    const total = async (send: Send) => (await send('GET', 'Observation?_summary=count')).body['total'];
    expect((await pule('POST', 'Consent', hideOne)).status).toBe(201);
    expect(await total(await person('mpho', 'doctor'))).toBe(1);
    expect((await pule('POST', 'Consent', onlyOne)).status).toBe(201);
    expect([await total(await person('mpho', 'doctor')), await total(await person('thabo', 'doctor'))]).toEqual([1, 0]);
    expect(await total(pule)).toBe(2);
    expect((await (await person('thabo', 'doctor'))('POST', 'Patient/pule/$break-glass', reason)).status).toBe(200);
    expect(await total(await person('thabo', 'doctor'))).toBe(2);
    expect((await pule('GET', 'Communication')).text).toContain('Unconscious');
    expect((await pule('GET', 'Patient/pule/$disclosures')).text).toContain('Practitioner/thabo');
  });
}); // prettier-ignore

// tsela backup --key-file and tsela restore: what is encrypted shows nothing, and comes back whole or not at all.
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  existsSync,
  readdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { archived, unpack } from '../../src/cli/archive.js';
import { decrypted, encrypted, writeWhole } from '../../src/cli/encrypted-file.js';
import { start } from '../../src/main.js';
import { silentLog } from '../../src/audit/log.js';
import { json, openSmartServer, signedIn, type SmartServer } from '../auth/smart-server.js';
import { tsela } from './cli.js';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-backup-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const megabyte = 1 << 20;
const read = (path: string): AsyncIterable<Buffer> => createReadStream(path);
const encryptFile = (from: string, to: string, key: Uint8Array) => writeWhole(to, encrypted(read(from), key));
const decryptFile = (from: string, to: string, key: Uint8Array) => writeWhole(to, decrypted(from, key));
const secret = Buffer.from('a secret that is long enough for it');

it.each([0, 1, megabyte - 1, megabyte, megabyte + 1, 3 * megabyte])('%i bytes come back', async size => {
  const bytes = randomBytes(size);
  writeFileSync(at('plain'), bytes);
  await encryptFile(at('plain'), at('sealed'), secret);
  expect(statSync(at('sealed')).mode & 0o777).toBe(0o600);
  await decryptFile(at('sealed'), at('again'), secret);
  expect(readFileSync(at('again')).equals(bytes)).toBe(true);
});

it('nothing comes back that was changed, cut off, put in another order, or is of another key', async () => {
  writeFileSync(at('plain'), Buffer.alloc(3 * megabyte, 'record '));
  await encryptFile(at('plain'), at('sealed'), secret);
  const sealed = readFileSync(at('sealed'));
  expect(sealed.includes('record')).toBe(false);
  const head = 15 + 32;
  const piece = megabyte + 16;
  const changed = Buffer.from(sealed);
  changed[head + piece + 5]! ^= 1;
  const otherSalt = Buffer.from(sealed);
  otherSalt[20]! ^= 1;
  const broken: Record<string, Buffer> = {
    changed,
    otherSalt,
    'cut off in a piece': sealed.subarray(0, sealed.length - 1),
    'cut off between pieces': sealed.subarray(0, head + piece),
    'only its head': sealed.subarray(0, head),
    'not even that': sealed.subarray(0, head - 1),
    longer: Buffer.concat([sealed, Buffer.from('x')]),
    'in another order': Buffer.concat([
      sealed.subarray(0, head),
      sealed.subarray(head + piece, head + 2 * piece),
      sealed.subarray(head, head + piece),
      sealed.subarray(head + 2 * piece),
    ]),
  };
  for (const [what, bytes] of Object.entries(broken)) {
    writeFileSync(at('broken'), bytes);
    await expect(decryptFile(at('broken'), at('out'), secret), what).rejects.toThrow(/cannot be decrypted|is not an encrypted/); // prettier-ignore
    expect([what, existsSync(at('out')), existsSync(at('out.part'))]).toEqual([what, false, false]);
  }
  await expect(decryptFile(at('sealed'), at('out'), randomBytes(32))).rejects.toThrow(/another key/);
});

it('a store goes to an encrypted backup and back', async () => {
  writeFileSync(at('patient.ndjson'), '{"resourceType":"Patient","id":"p1","name":[{"family":"Mokoena"}]}\n');
  writeFileSync(at('key'), `${randomBytes(32).toString('base64')}\n`);
  writeFileSync(at('short-key'), 'short');
  const data = at('data');
  expect((await tsela(['load', at('patient.ndjson'), '--data', data, '--quiet'])).code).toBe(0);
  expect((await tsela(['backup', at('b'), '--data', data, '--key-file', at('short-key')])).err).toContain(
    'openssl rand',
  );
  const made = await tsela(['backup', at('b'), '--data', data, '--key-file', at('key')]);
  expect([made.code, made.err]).toEqual([0, '']);
  expect(readFileSync(at('b')).includes('Mokoena')).toBe(false);
  expect(readdirSync(data).filter(name => name.includes('backup'))).toEqual([]);

  expect((await tsela(['restore', at('b'), '--data', data, '--key-file', at('key')])).err).toContain(
    'a store in',
  );
  expect((await tsela(['restore', at('b'), '--data', at('new')])).err).toContain('--key-file');
  expect(existsSync(at('new/tsela.sqlite'))).toBe(false);
  const restored = await tsela(['restore', at('b'), '--data', at('new'), '--key-file', at('key')]);
  expect([restored.code, restored.err]).toEqual([0, '']);
  expect((await tsela(['export', '--data', at('new'), '--out', at('out'), '--quiet'])).code).toBe(0);
  expect(readFileSync(at('out/Patient.ndjson'), 'utf8')).toContain('Mokoena');
  expect(statSync(at('out/Patient.ndjson')).mode & 0o777).toBe(0o600);
});

it('an archive comes back whole, or not at all', async () => {
  const files = ['tsela.sqlite', 'facilities/quthing/documents.sqlite', 'audit/1.ndjson'].map((name, i) => ({ name, path: at(`file-${i}`) })); // prettier-ignore
  const contents = [randomBytes(3000), Buffer.alloc(0), randomBytes(10)];
  contents.forEach((bytes, i) => writeFileSync(at(`file-${i}`), bytes));
  await writeWhole(at('archive'), archived(files));
  expect(await unpack(read(at('archive')), at('unpacked'))).toEqual(files.map(({ name }) => name));
  files.forEach(({ name }, i) =>
    expect(readFileSync(join(at('unpacked'), name)).equals(contents[i]!)).toBe(true),
  );
  const whole = readFileSync(at('archive'));
  const swapped = Buffer.from(whole);
  swapped[50]! ^= 1;
  const renamed = (name: string) =>
    Buffer.from(whole.toString('latin1').replace('audit/1.ndjson', name), 'latin1');
  const broken: Record<string, Buffer> = {
    changed: swapped,
    longer: Buffer.concat([whole, Buffer.from('x')]),
    empty: Buffer.alloc(0),
    'a name outside': renamed('audit/../../../x'),
    'an absolute name': renamed('/tmp/tsela-attack'),
    'another file': renamed('restore.part'),
    ...Object.fromEntries([5, 20, 100, whole.length - 4, whole.length - 1].map(size => [`cut off at ${size}`, whole.subarray(0, size)])), // prettier-ignore
  };
  for (const [what, bytes] of Object.entries(broken)) {
    writeFileSync(at('broken'), bytes);
    rmSync(at('unpacked'), { recursive: true });
    mkdirSync(at('unpacked'));
    await expect(unpack(read(at('broken')), at('unpacked')), what).rejects.toThrow(/damaged or cut off/);
  }
});

it('a whole server comes back on an empty machine: records, facilities, people, apps, keys, and what they may', async () => {
  const data = at('server');
  const facility = join(data, 'facilities/quthing');
  writeFileSync(at('nurse.json'), JSON.stringify({ says: 'x', reach: 'all', permissions: [{ types: ['Patient'], may: 'r' }] })); // prettier-ignore
  expect((await tsela(['role', 'set', 'nurse', at('nurse.json'), '--data', data])).code).toBe(0);

  const before = await openSmartServer('SQLite', { data });
  const app = await before.app();
  const { access_token: token } = await signedIn(before, app, { as: 'patient' });
  expect((await before.fhir('Patient/mine', token)).status).toBe(200);
  expect((await tsela(['backup', at('taken'), '--data', data])).err).toContain('use');
  await before.close();
  expect((await tsela(['facility', 'add', 'quthing', '--data', data, '--name', 'Quthing'])).code).toBe(0);
  writeFileSync(at('there.ndjson'), '{"resourceType":"Patient","id":"there","name":[{"family":"Letsie"}]}\n');
  expect((await tsela(['load', at('there.ndjson'), '--data', facility, '--quiet'])).code).toBe(0);

  const made = await tsela(['backup', at('whole'), '--data', data, '--key-file', at('key')]);
  expect([made.code, made.err]).toEqual([0, '']);
  expect(readdirSync(data).filter(name => name.startsWith('backup'))).toEqual([]);
  const empty = at('empty/machine');
  const back = await tsela(['restore', at('whole'), '--data', empty, '--key-file', at('key')]);
  expect([back.code, back.err]).toEqual([0, '']);
  expect(statSync(empty).mode & 0o777).toBe(0o700);
  expect(statSync(join(empty, 'documents.sqlite')).mode & 0o777).toBe(0o600);
  rmSync(data, { recursive: true });

  const after: SmartServer = { ...before, ...(await start({ ...before.config, data: empty }, silentLog)) };
  try {
    expect((await after.fhir('Patient/mine', token)).status).toBe(200);
    const { access_token: anew } = await signedIn(after, app, { as: 'patient' });
    expect((await json(await after.fhir('Patient/mine', anew))).name[0].family).toBe('Nthako');
    expect((await after.fhir('Patient/other', anew)).status).toBe(404);
    expect((await tsela(['role', 'show', 'nurse', '--data', empty])).out).toContain('"says": "x"');
    expect((await tsela(['facility', 'list', '--data', empty])).out).toContain('Quthing');
  } finally {
    await after.close();
  }
  expect((await tsela(['export', '--data', join(empty, 'facilities/quthing'), '--out', at('there'), '--quiet'])).code).toBe(0); // prettier-ignore
  expect(readFileSync(at('there/Patient.ndjson'), 'utf8')).toContain('Letsie');
  expect((await tsela(['doctor', '--data', empty])).out).not.toMatch(/breaks|gone/);
});

it('a restore that was interrupted is no server, and is done again from the beginning', async () => {
  const data = at('half');
  mkdirSync(join(data, 'restore.part/facilities/quthing'), { recursive: true });
  mkdirSync(join(data, 'facilities/quthing'), { recursive: true });
  writeFileSync(join(data, 'restore.part/files.json'), JSON.stringify(['documents.sqlite', 'facilities/quthing/tsela.sqlite', 'tsela.sqlite'])); // prettier-ignore
  for (const name of ['documents.sqlite', 'facilities/quthing/tsela.sqlite', 'restore.part/tsela.sqlite'])
    writeFileSync(join(data, name), 'half');
  for (const command of [['start', '--open'], ['user', 'list']]) // prettier-ignore
    expect([command, (await tsela([...command, '--data', data])).err]).toEqual([command, expect.stringContaining('interrupted; run it again')]); // prettier-ignore
  // Another that fails leaves nothing of either.
  writeFileSync(at('cut'), readFileSync(at('b')).subarray(0, -1));
  expect((await tsela(['restore', at('cut'), '--data', data, '--key-file', at('key')])).code).not.toBe(0);
  expect(readdirSync(data)).toEqual([]);
  expect((await tsela(['restore', at('b'), '--data', data, '--key-file', at('key')])).code).toBe(0);
  expect(readdirSync(data).sort()).toEqual(['documents.sqlite', 'tsela.sqlite']);
  expect((await tsela(['restore', at('b'), '--data', data, '--key-file', at('key')])).err).toContain(
    'already',
  );
});

it('a backup of one store, as they were before, comes back too', async () => {
  expect((await tsela(['load', at('patient.ndjson'), '--data', at('old'), '--quiet'])).code).toBe(0);
  expect((await tsela(['restore', join(at('old'), 'tsela.sqlite'), '--data', at('old-back')])).code).toBe(0);
  expect((await tsela(['export', '--data', at('old-back'), '--out', at('old-out'), '--quiet'])).code).toBe(0);
  expect(readFileSync(at('old-out/Patient.ndjson'), 'utf8')).toContain('Mokoena');
});

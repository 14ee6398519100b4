// tsela backup --key-file and tsela restore: what is encrypted shows nothing, and comes back whole or not at all.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { decryptFile, encryptFile } from '../../src/cli/encrypted-file.js';
import { tsela } from './cli.js';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-backup-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const megabyte = 1 << 20;
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

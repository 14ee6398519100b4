// tsela terminology beside a running server, and what is left of it after the server was killed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { begin, type Running } from './cli.js';

const folder = mkdtempSync(join(tmpdir(), 'tsela-terminology-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = ['--data', join(folder, 'data')];
const run = (...args: string[]) => begin(['terminology', ...args, ...data]).ended;

const start = async (): Promise<{ server: Running; base: string }> => {
  const server = begin(['start', '--open', '--port', '0', ...data]);
  const said = await server.says('Ctrl-C');
  return { server, base: /FHIR base\s+(\S+)/.exec(said)![1]! };
};
const status = async (base: string, code: string): Promise<number> =>
  (await fetch(`${base}/CodeSystem/$lookup?system=urn:plants&code=${code}`)).status;

it('loads into a running server, and what it loaded outlives a kill', async () => {
  const plants = join(folder, 'plants.csv');
  writeFileSync(plants, 'code,display,parent\nplant,Plant,\naloe,Aloe,plant\n');
  const first = await start();
  expect(await status(first.base, 'aloe')).toBe(404);
  const loaded = await run('load', plants, '--system', 'urn:plants', '--system-version', '1', '--quiet');
  expect([loaded.code, loaded.out]).toEqual([
    0,
    expect.stringContaining('2 concepts of urn:plants, version 1'),
  ]);
  await vi.waitFor(async () => expect(await status(first.base, 'aloe')).toBe(200), { timeout: 120_000 });
  first.server.process.kill('SIGKILL');
  await first.server.ended;

  const second = await start();
  expect(await status(second.base, 'aloe')).toBe(200);
  second.server.process.kill('SIGTERM');
  await second.server.ended;
  expect((await run('list')).out).toMatch(/^urn:plants\t1\tcomplete\t2\t/);
  expect((await run('remove', 'urn:plants', '--system-version', '1')).code).toBe(0);
  expect((await run('list')).out).toMatch(/^No code system/);
});

it('says what is wrong with a file', async () => {
  const wrong = await run('load', join(folder, 'none.csv'), '--system', 'urn:x');
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('does not exist')]);
  writeFileSync(join(folder, 'no-code.csv'), 'a,b\n1,2\n');
  const columns = await run('load', join(folder, 'no-code.csv'), '--system', 'urn:x');
  expect([columns.code, columns.err]).toEqual([1, expect.stringContaining('code is missing')]);
  expect((await run('remove', 'urn:none')).code).toBe(1);
});

// tsela load against a server that misbehaves: what is repeated, what is given up, what is told.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Failure } from '../../src/cli/load/deliver.js';
import { begin } from './cli.js';
import { outcome } from './fhir-server.js';
import { folder, ids, load, ndjson, patient, patients, put, server, transaction } from './load-setup.js';

describe('trouble that passes', () => {
  test('a connection that breaks after the work was done is tried again under the same key: nothing is doubled', async () => {
    server.behave = (_, nth) => (nth <= 2 ? 'drop' : undefined);
    const { code, out } = await load(put('a.json', transaction(patient(undefined))));
    expect(code).toBe(0);
    expect(out).toContain('Loaded 1 resources');
    expect(server.received).toHaveLength(3);
    expect(new Set(server.received.map(one => one.key)).size).toBe(1);
    expect(server.stored).toHaveLength(1);
  });

  test.each([503, 429, 409, 502, 504, 408])('%i is tried again', async status => {
    server.behave = (_, nth) => (nth === 1 ? { status, body: outcome('later') } : undefined);
    expect((await load(put('a.json', patient('a')))).code).toBe(0);
    expect(server.stored).toHaveLength(1);
  });

  test('Retry-After is honoured', async () => {
    const times: number[] = [];
    server.behave = (_, nth) => {
      times.push(Date.now());
      return nth === 1 ? { status: 503, headers: { 'retry-after': '1' } } : undefined;
    };
    await load(put('a.json', patient('a')));
    // A timer may fire within the millisecond before.
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(999);
  });

  test('a refusal that does not pass is given up after --retries, and listed', async () => {
    server.behave = () => ({ status: 503, body: outcome('full'), headers: { 'retry-after': '0' } });
    const { code, err } = await load(put('a.json', patient('a')), '--retries', '2');
    expect(code).toBe(1);
    expect(err).toContain('a.json (Patient/a): 503 full');
    expect(server.received).toHaveLength(3);
  });

  test('a server that is gone ends the load and says how to go on', async () => {
    for (let i = 0; i < 20; i++) put(`${i}.json`, patient(`p${i}`));
    server.behave = () => 'drop';
    const { code, err } = await load(folder, '--retries', '1', '--parallel', '2');
    expect(code).toBe(1);
    expect(err).toContain('does not answer');
    expect(err).toContain('run the same command again');
    expect(server.received.length).toBeLessThanOrEqual(4);
  });

  test('a load that was killed goes on where it stopped', async () => {
    put('p.ndjson', ndjson(...Array.from({ length: 60 }, () => patient(undefined))));
    let stopAt = 20;
    const first = begin(['load', folder, '--url', server.url]);
    server.behave = (_, nth) => {
      if (nth === stopAt) first.process.kill('SIGKILL');
      return undefined;
    };
    await first.ended;
    const before = server.stored.length;
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(60);
    stopAt = -1;
    const { code, out } = await load(folder);
    expect(code).toBe(0);
    expect(out).toContain('Loaded 60 resources');
    expect(server.stored).toHaveLength(60);
  });

  test('Ctrl-C finishes what is under way and says how to go on', async () => {
    put('p.ndjson', ndjson(...Array.from({ length: 300 }, () => patient(undefined))));
    const running = begin(['load', folder, '--url', server.url, '--parallel', '2']);
    server.behave = (_, nth) => {
      if (nth === 10) running.process.kill('SIGINT');
      return undefined;
    };
    const { code, out, err } = await running.ended;
    expect(code).toBe(130);
    expect(err).toContain('Run the same command again');
    expect(server.stored.length).toBeLessThan(300);
    expect(out).toContain(`Loaded ${server.stored.length} resources`);
  });

  test('what is refused because something else is not there yet is tried again at the end', async () => {
    const observation = { resourceType: 'Observation', id: 'o', subject: { reference: 'Patient/p' } };
    put('1.json', observation);
    put('2.json', patient('p'));
    server.behave = ({ path }) =>
      path.includes('Observation') && !ids().includes('p')
        ? { status: 400, body: outcome('Patient/p is not there') }
        : undefined;
    const { code, out } = await load(folder, '--parallel', '1');
    expect(code).toBe(0);
    expect(out).toContain('Loaded 2 resources from 2 sources');
    expect(ids()).toEqual(['p', 'o']);
  });
});

describe('failures', () => {
  test('name file and entry, with the first issue of the outcome, and the rest is loaded', async () => {
    put('1.json', transaction(patient('a')));
    put('2.json', transaction(patient('b'), patient('bad'), patient('c')));
    server.behave = ({ body }) =>
      body.includes('"bad"')
        ? {
            status: 400,
            body: outcome('not a date, expected YYYY-MM-DD', 'Bundle.entry[1].resource.birthDate'),
          }
        : undefined;
    const { code, err, out } = await load(folder);
    expect(code).toBe(1);
    expect(err).toContain(
      `${join(folder, '2.json')}, entry 1 (Patient/bad): 400 Bundle.entry[1].resource.birthDate: not a date, expected YYYY-MM-DD\n`,
    );
    expect(out).toContain('Loaded 1 resources from 2 sources');
    expect(out).toContain('1 failed');
    expect(ids()).toEqual(['a']);
  });

  test('in NDJSON a bad resource does not keep its neighbours out', async () => {
    const lines = patients(100);
    lines[41] = patient('bad');
    server.behave = ({ body }) => (body.includes('"bad"') ? { status: 422, body: outcome('no') } : undefined);
    const { code, err, out } = await load(put('p.ndjson', ndjson(...lines)));
    expect(code).toBe(1);
    expect(err).toContain('p.ndjson, line 42 (Patient/bad): 422 no');
    expect(out).toContain('Loaded 99 resources');
    expect(new Set(ids())).toEqual(
      new Set(
        patients(100)
          .map((_, i) => `p${i}`)
          .filter(id => id !== 'p41'),
      ),
    );
  });

  test('a group is not divided where the refusal is not about its content', async () => {
    server.behave = () => ({ status: 403, body: outcome('you may not') });
    const { err } = await load(put('p.ndjson', ndjson(...patients(10))));
    expect(err).toContain('403 you may not');
    expect(server.received).toHaveLength(1);
  });

  test('many requests that wait at once warn of nothing', async () => {
    put('p.ndjson', ndjson(...Array.from({ length: 64 }, () => patient(undefined))));
    server.together = 32;
    server.behave = (_, nth) => (nth <= 64 ? { status: 503, headers: { 'retry-after': '0' } } : undefined);
    expect(await load(folder, '--parallel', '32', '--quiet')).toMatchObject({ code: 0, err: '' });
    expect(server.stored).toHaveLength(64);
  });

  test('of a batch each entry that failed is told', async () => {
    const batch = { ...transaction(patient('a'), patient('b'), patient('c')), type: 'batch' };
    const entry = [
      { response: { status: '201 Created' } },
      { response: { status: '422 Unprocessable', outcome: outcome('no', 'Patient.name') } },
    ];
    server.behave = () => ({ status: 200, body: { resourceType: 'Bundle', type: 'batch-response', entry } });
    const { code, err, out } = await load(put('b.json', batch));
    expect(code).toBe(1);
    expect(err).toContain('b.json, entry 1 (Patient/b): 422 Patient.name: no');
    expect(err).toContain('b.json, entry 2 (Patient/c): The answer has no entry for it.');
    expect(out).toContain('Loaded 1 resources from 1 source');
  });

  test.each([
    ['a.json', '{"resourceType": "Patient",}', /a\.json: .*line 1, column 28/],
    ['a.json', '{"resourceType":\n "Patient",\n "active": maybe}', /a\.json: .*line 3/],
    ['a.xml', ' <Patient xmlns="http://hl7.org/fhir"/>', /a\.xml: This is XML; only JSON is read/],
    ['a.json', '[]', /a\.json: This is no FHIR resource/],
    [
      'a.ndjson',
      `${JSON.stringify(patient('ok'))}\n{"resourceType":"Patient"\n`,
      /a\.ndjson, line 2: Expected .* at column 26/,
    ],
    [
      'a.json.gz',
      gzipSync(JSON.stringify(patient('ok'))).subarray(0, 20),
      /a\.json\.gz: unexpected end of file/,
    ],
    ['a.json', '', undefined],
  ])('%s holding %j is told with its place', async (name, content, told) => {
    const { code, err } = await load(put(name, content));
    if (told) expect(err).toMatch(told);
    expect(code).toBe(told ? 1 : 0);
  });

  test('--failures lists all of them as NDJSON, and the screen the first twenty', async () => {
    for (let i = 0; i < 30; i++) put(`${String(i).padStart(2, '0')}.json`, patient(`p${i}`));
    server.behave = ({ path }) => ({ status: 400, body: outcome(`no ${path}`, 'Patient.id') });
    const list = join(folder, 'failures.log');
    const { code, err } = await load(folder, '--failures', list);
    expect(code).toBe(1);
    expect(err).toContain('and 10 more.');
    expect(err.match(/400 Patient\.id: no/g)).toHaveLength(20);
    const failures = readFileSync(list, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Failure);
    expect(failures).toHaveLength(30);
    expect(failures.find(one => one.what === 'Patient/p7')).toEqual({
      source: join(folder, '07.json'),
      place: '',
      what: 'Patient/p7',
      status: 400,
      message: 'no /fhir/Patient/p7',
      expression: 'Patient.id',
      resources: 1,
    });
  });

  test('a file that cannot be written to is told before anything is sent', async () => {
    const { code, err } = await load(
      put('a.json', patient('a')),
      '--failures',
      join(folder, 'no/such/folder.log'),
    );
    expect(code).toBe(1);
    expect(err).toContain('cannot be written');
    expect(server.received).toEqual([]);
  });

  test('an answer that is no outcome is shown as it is', async () => {
    server.behave = () => ({ status: 418, body: 'teapot' });
    expect((await load(put('a.json', patient('a')))).err).toContain('a.json (Patient/a): 418 "teapot"');
  });
});

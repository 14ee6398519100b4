// tsela load against a server on a real socket: what is sent, under which key, what is repeated, what is told.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Failure } from '../../src/cli/load/deliver.js';
import { begin, tsela, type Ran } from './cli.js';
import { listen, outcome, type FhirServer } from './fhir-server.js';

let folder: string;
let server: FhirServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-load-'));
  server = await listen();
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const put = (name: string, content: string | Buffer | object): string => {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(
    path,
    typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content),
  );
  return path;
};
const load = (...args: string[]): Promise<Ran> => tsela(['load', ...args, '--url', server.url]);
const patient = (id: string | undefined, more: object = {}): object => ({
  resourceType: 'Patient',
  ...(id === undefined ? {} : { id }),
  ...more,
});
const ndjson = (...resources: object[]): string => resources.map(one => `${JSON.stringify(one)}\n`).join('');
const transaction = (...resources: object[]): object => ({
  resourceType: 'Bundle',
  type: 'transaction',
  entry: resources.map(resource => ({ resource, request: { method: 'POST', url: 'Patient' } })),
});
const patients = (count: number): object[] => Array.from({ length: count }, (_, i) => patient(`p${i}`));
const ids = (): (string | undefined)[] => server.stored.map(one => one.id);

describe('what is sent', () => {
  test('a transaction is posted to the base, byte for byte', async () => {
    const text = '{\r\n  "type":"transaction", "resourceType" : "Bundle",\n\t"entry": [ ] }\n\n';
    const ran = await load(put('a.json', text));
    expect(ran.code).toBe(0);
    expect(server.received).toMatchObject([
      { method: 'POST', path: '/fhir', body: text, headers: { 'content-type': 'application/fhir+json' } },
    ]);
  });

  test('a gzipped transaction is posted as it was before, whatever its file is called', async () => {
    const text = JSON.stringify(transaction(patient(undefined)), undefined, 2);
    for (const name of ['a.json.gz', 'b.json".gz', 'c']) put(name, gzipSync(text));
    expect((await load(folder, join(folder, 'c'))).code).toBe(0);
    expect(server.received.map(one => one.body)).toEqual([text, text, text]);
  });

  test('a single resource is PUT under its id, and POSTed where it has none', async () => {
    put('1.json', JSON.stringify(patient('one'), undefined, 2));
    put('2.json', patient(undefined));
    put('3.json', patient('not an id!'));
    expect((await load(folder, '--parallel', '1')).code).toBe(0);
    expect(server.received.map(one => `${one.method} ${one.path}`)).toEqual([
      'PUT /fhir/Patient/one',
      'POST /fhir/Patient',
      'POST /fhir/Patient',
    ]);
    expect(server.received[0]?.body).toBe(JSON.stringify(patient('one'), undefined, 2));
  });

  test('NDJSON goes in transactions of PUTs, in order, numbers as they were written', async () => {
    const lines = patients(450).map(one =>
      JSON.stringify(one).replace(/}$/, ',"multipleBirthInteger":1.00}'),
    );
    expect((await load(put('p.ndjson', `${lines.join('\n')}\n\n`), '--parallel', '1')).code).toBe(0);
    const sizes = server.received.map(one => (JSON.parse(one.body) as { entry: unknown[] }).entry.length);
    expect(sizes).toEqual([200, 200, 50]);
    expect(ids()).toEqual(patients(450).map((_, i) => `p${i}`));
    expect(server.received[2]?.body).toContain(
      '"multipleBirthInteger":1.00},"request":{"method":"PUT","url":"Patient/p400"}',
    );
  });

  test('--group sets the size, and one resource is no transaction', async () => {
    await load(put('p.ndjson', ndjson(...patients(7))), '--group', '3');
    expect(server.received.map(one => one.path).sort()).toEqual(['/fhir', '/fhir', '/fhir/Patient/p6']);
  });

  test('NDJSON resources without an id are posted one by one', async () => {
    await load(put('p.ndjson', ndjson(patient('a'), patient(undefined), patient('b'))));
    expect(server.received.map(one => `${one.method} ${one.path}`).sort()).toEqual([
      'POST /fhir',
      'POST /fhir/Patient',
    ]);
    expect(server.stored).toHaveLength(3);
  });

  test('NDJSON of transactions is posted line by line', async () => {
    await load(put('p.ndjson', ndjson(transaction(patient('a')), transaction(patient('b')))));
    expect(server.received.map(one => one.path)).toEqual(['/fhir', '/fhir']);
    expect(ids().sort()).toEqual(['a', 'b']);
  });

  test('standard input is read, plain or gzipped, one document or lines', async () => {
    const inputs = [
      ndjson(...patients(3)),
      gzipSync(ndjson(...patients(3))),
      JSON.stringify(transaction(...patients(3)), undefined, 1),
      `\ufeff${ndjson(...patients(3))}`,
    ];
    for (const [i, input] of inputs.entries()) {
      const { code, out } = await tsela(['load', '-', '--url', server.url, '--run', String(i)], { input });
      expect(code).toBe(0);
      expect(out).toContain('Loaded 3 resources from 1 source');
    }
    expect(server.stored).toHaveLength(12);
  });

  test('an http address is read', async () => {
    const files = createServer((_, response) => response.end(gzipSync(ndjson(...patients(3)))));
    await new Promise<void>(resolve => files.listen(0, '127.0.0.1', resolve));
    const { port } = files.address() as AddressInfo;
    const ran = await load(`http://127.0.0.1:${port}/p.ndjson.gz`);
    files.close();
    files.closeAllConnections();
    expect(ran.code).toBe(0);
    expect(ids()).toEqual(['p0', 'p1', 'p2']);
  });

  test('a folder is read with its folders, in order, and only what can be loaded', async () => {
    put('b/2.ndjson', ndjson(patient('second')));
    put('a.json', patient('first'));
    put('z.jsonl', ndjson(patient('third')));
    put('readme.txt', 'nothing');
    put('.hidden.json', patient('hidden'));
    expect((await load(folder, '--parallel', '1')).code).toBe(0);
    expect(ids()).toEqual(['first', 'second', 'third']);
  });

  test('a folder with nothing to load is refused', async () => {
    put('readme.txt', 'nothing');
    const { code, err } = await load(folder);
    expect(code).toBe(1);
    expect(err).toContain('holds nothing to load');
  });

  test('hospitals and practitioners are finished before patients that refer to them', async () => {
    for (let i = 0; i < 12; i++) put(`Adam_${i}.json`, patient(`p${i}`));
    put('practitionerInformation1.json', { resourceType: 'Practitioner', id: 'doctor' });
    put('hospitalInformation1.json', { resourceType: 'Organization', id: 'hospital' });
    await load(folder, '--parallel', '8');
    expect(server.stored.slice(0, 2).map(one => one.type)).toEqual(['Organization', 'Practitioner']);
    expect(server.stored).toHaveLength(14);
  });

  test('headers are sent along, and answers are asked to be short', async () => {
    await load(put('a.json', patient('a')), '--header', 'Authorization: Bearer abc');
    expect(server.received[0]?.headers).toMatchObject({
      authorization: 'Bearer abc',
      prefer: 'return=minimal',
    });
  });

  test('several requests are under way at once, no more than asked for', async () => {
    for (let i = 0; i < 39; i++) put(`${i}.json`, patient(`p${i}`));
    server.together = 3;
    await load(folder, '--parallel', '3');
    expect(server.stored).toHaveLength(39);
    expect(server.most).toBe(3);
  });

  test('two states of one resource arrive in order', async () => {
    const states = Array.from({ length: 30 }, (_, i) => patient('same', { birthDate: String(1970 + i) }));
    await load(put('p.ndjson', ndjson(...states)), '--parallel', '8');
    expect(server.stored.map(one => one.text)).toEqual(states.map(one => JSON.stringify(one)));
  });
});

describe('bundles that are neither transaction nor batch', () => {
  const bundle = (type: string, ...entry: object[]): object => ({
    resourceType: 'Bundle',
    id: 'b1',
    type,
    entry,
  });

  test.each(['collection', 'searchset'])(
    'of a %s the entries are PUT, other servers’ addresses left as they are',
    async type => {
      const entries = [
        { fullUrl: 'http://elsewhere.example/Patient/a', resource: patient('a') },
        { search: { mode: 'outcome' }, resource: { resourceType: 'OperationOutcome' } },
        { fullUrl: 'http://elsewhere.example/Patient/b', resource: patient('b') },
      ];
      expect((await load(put('b.json', bundle(type, ...entries)))).code).toBe(0);
      expect(ids()).toEqual(['a', 'b']);
      expect(server.received).toHaveLength(1);
      expect(server.received[0]?.body).not.toContain('elsewhere');
    },
  );

  test('entries that refer to each other by urn go in one transaction with their fullUrl', async () => {
    const urn = 'urn:uuid:0b2c7f6e-3df0-4d58-9a10-3d0d1ac0c6f5';
    const observation = { resourceType: 'Observation', subject: { reference: urn } };
    await load(
      put(
        'b.json',
        bundle('collection', { fullUrl: urn, resource: patient(undefined) }, { resource: observation }),
      ),
      '--group',
      '1',
    );
    expect(server.received).toMatchObject([{ path: '/fhir' }]);
    expect(JSON.parse(server.received[0]?.body ?? '')).toMatchObject({
      type: 'transaction',
      entry: [
        { fullUrl: urn, request: { method: 'POST', url: 'Patient' } },
        { request: { method: 'POST', url: 'Observation' } },
      ],
    });
  });

  test('of a history the newest version of each is taken', async () => {
    const newest = patient('a', { active: true });
    const entries = [
      { request: { method: 'DELETE', url: 'Patient/gone' } },
      { resource: newest, request: { method: 'PUT', url: 'Patient/a' } },
      { resource: patient('a'), request: { method: 'POST', url: 'Patient' } },
    ];
    await load(put('b.json', bundle('history', ...entries)));
    expect(server.stored.map(one => one.text)).toEqual([JSON.stringify(newest)]);
  });

  test.each([
    ['document', [], ['PUT /fhir/Bundle/b1']],
    ['message', [], ['PUT /fhir/Bundle/b1']],
    ['document', ['--as', 'entries'], ['PUT /fhir/Patient/a']],
    ['collection', ['--as', 'bundle'], ['PUT /fhir/Bundle/b1']],
  ])('a %s with %j is sent as %j', async (type, options, sent) => {
    await load(put('b.json', bundle(type, { resource: patient('a') })), ...options);
    expect(server.received.map(one => `${one.method} ${one.path}`)).toEqual(sent);
  });

  test('one without resources is told', async () => {
    const { code, err } = await load(put('b.json', bundle('collection')));
    expect(code).toBe(1);
    expect(err).toContain('b.json: The Bundle has no entry with a resource.');
  });
});

describe('the key', () => {
  const keys = (): string[] => server.received.map(one => one.key);

  test('is the same when the same file is loaded again, from anywhere, gzipped or not', async () => {
    const text = JSON.stringify(transaction(patient(undefined)));
    put('one/a.json', text);
    put('two/a.json.gz', gzipSync(text));
    await load(join(folder, 'one'));
    await load(join(folder, 'one/a.json'));
    await load(join(folder, 'two'));
    expect(new Set(keys()).size).toBe(1);
    expect(keys()[0]).toMatch(/^[\x21-\x7e]{20,255}$/);
    expect(server.stored).toHaveLength(1);
  });

  test('differs between files, lines and repetitions of equal content', async () => {
    put('a/x.ndjson', ndjson(patient(undefined), patient(undefined)));
    put('b/x.ndjson', ndjson(patient(undefined), patient(undefined)));
    put('y.ndjson', ndjson(patient(undefined)));
    await load(folder);
    expect(new Set(keys()).size).toBe(5);
    expect(server.stored).toHaveLength(5);
    await load(folder, '--parallel', '1');
    expect(server.received).toHaveLength(10);
    expect(server.stored).toHaveLength(5);
  });

  test('differs when the content does', async () => {
    await load(put('a.json', transaction(patient('a'))));
    await load(put('a.json', transaction(patient('b'))));
    expect(ids()).toEqual(['a', 'b']);
  });

  test('differs with another --run', async () => {
    const path = put('a.json', transaction(patient(undefined)));
    await load(path);
    await load(path, '--run', 'again');
    expect(server.stored).toHaveLength(2);
  });
});

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

test('a resourceType that is no word does not leave the base', async () => {
  await load(put('a.json', { resourceType: '../secret?x=1#', id: 'a' }));
  expect(server.received.map(one => one.path)).toEqual(['/fhir/..%2Fsecret%3Fx%3D1%23/a']);
});

describe('tsela sample into a server', () => {
  test('loads every resource once, however often it is run', async () => {
    const lines = (await tsela(['sample', '--patients', '5'])).out.trim().split('\n');
    for (let run = 0; run < 2; run++) {
      const { code, out } = await tsela(['sample', '--patients', '5', '--url', server.url]);
      expect(code).toBe(0);
      expect(out).toContain(`Loaded ${lines.length.toLocaleString('en')} resources`);
    }
    expect(server.stored.map(one => one.text).sort()).toEqual(lines.sort());
  });

  test('--out writes the same bytes as standard output does, gzipped where the name says so', async () => {
    const { out } = await tsela(['sample', '--patients', '3', '--seed', '9']);
    const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
    const path = join(folder, 's.ndjson');
    expect((await tsela(['sample', '--patients', '3', '--seed', '9', '--out', path])).code).toBe(0);
    expect(sha(readFileSync(path))).toBe(sha(Buffer.from(out)));
    expect((await tsela(['sample', '--patients', '3', '--seed', '9', '--out', `${path}.gz`])).code).toBe(0);
    expect((await load(`${path}.gz`)).code).toBe(0);
    expect(server.stored).toHaveLength(out.trim().split('\n').length);
    expect(existsSync(`${path}.part`)).toBe(false);
  });
});

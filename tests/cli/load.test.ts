// tsela load against a server on a real socket: what is sent, and under which key.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { tsela } from './cli.js';
import { folder, ids, load, ndjson, patient, patients, put, server, transaction } from './load-setup.js';

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

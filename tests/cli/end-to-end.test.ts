// The command line and the server together, each a process of its own: what is loaded is there once, whoever is killed.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { MongoClient } from 'mongodb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultToday, sampleLines } from '../../src/cli/sample/generate.js';
import { freePort } from '../free-port.js';
import { begin, tsela, type Running } from './cli.js';

const synthea = join(import.meta.dirname, '../../../shared/data/synthea');
const mongoUrl = process.env['MONGODB_URL'];

let folder: string;
let env: Record<string, string>;
const begun: Running[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-e2e-'));
  env = { TSELA_LOG_LEVEL: 'error' };
});
afterEach(async () => {
  for (const each of begun.splice(0)) {
    each.process.kill('SIGTERM');
    await each.ended;
  }
  rmSync(folder, { recursive: true, force: true });
});

const launch = (args: readonly string[]): Running => {
  const running = begin(args, { env });
  begun.push(running);
  return running;
};

interface Server extends Running {
  readonly url: string;
}
async function serve(port = 0): Promise<Server> {
  const running = launch(['start', '--open', '--port', String(port), '--data', join(folder, 'data')]);
  const said = await running.says('Ctrl-C');
  return { ...running, url: /FHIR base\s+(\S+)/.exec(said)![1]! };
}

async function total(url: string, type: string): Promise<number> {
  const response = await fetch(`${url}/${type}?_summary=count`);
  return ((await response.json()) as { total: number }).total;
}
async function totals(url: string, types: Iterable<string>): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const type of types) found.set(type, await total(url, type));
  return found;
}
/** Resolves once the server holds so many; fails where the loader ends before. */
async function holds(url: string, type: string, least: number, loader: Running): Promise<void> {
  while ((await total(url, type)) < least) {
    if (loader.process.exitCode !== null)
      throw new Error(`The load ended: ${JSON.stringify(await loader.ended)}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

function countByType(types: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1);
  return counts;
}

const sampleOf = (patients: number): string[] => [...sampleLines({ patients, seed: 1, today: defaultToday })];
const typesIn = (lines: readonly string[]): string[] =>
  lines.map(line => (JSON.parse(line) as { resourceType: string }).resourceType);

describe.skipIf(!existsSync(synthea))('Synthea (skipped where ../shared/data is absent)', () => {
  interface Bundle {
    readonly entry: readonly { readonly resource: { readonly resourceType: string } }[];
  }
  const posted = (): Map<string, number> =>
    countByType(
      readdirSync(synthea).flatMap(name => {
        const { entry } = JSON.parse(gunzipSync(readFileSync(join(synthea, name))).toString()) as Bundle;
        return entry.map(one => one.resource.resourceType);
      }),
    );

  test('every entry of the 46 bundles is there once, also after loading them again', async () => {
    const { url } = await serve();
    const expected = posted();
    for (let run = 0; run < 2; run++) {
      const { code, out } = await tsela(['load', synthea, '--url', url]);
      expect(out).toContain('Loaded 10,647 resources from 46 sources');
      expect(out).toContain('0 failed');
      expect(code).toBe(0);
      expect(await totals(url, expected.keys())).toEqual(expected);
    }
  });

  test('killing the server and the loader in the middle doubles and loses nothing', async () => {
    const port = await freePort();
    let server = await serve(port);
    const first = launch(['load', synthea, '--url', server.url, '--retries', '20']);
    await holds(server.url, 'Patient', 5, first);
    server.process.kill('SIGKILL');
    await server.ended;
    server = await serve(port); // the loader is still trying
    await holds(server.url, 'Patient', 20, first);
    first.process.kill('SIGKILL');
    await first.ended;

    const { code, out } = await tsela(['load', synthea, '--url', server.url]);
    expect(out).toContain('Loaded 10,647 resources from 46 sources');
    expect(code).toBe(0);
    const expected = posted();
    expect(await totals(server.url, expected.keys())).toEqual(expected);
  });
});

/** What holds on either store. `victim`: who is killed with SIGKILL in the middle. */
function sampleIsKept(victim: 'server' | 'loader'): void {
  /** Loads, kills the victim each time the server holds so many of the type, and sees the load to its end. */
  async function loadUnderFire(args: readonly string[], type: string, moments: readonly number[]) {
    const port = await freePort();
    let server = await serve(port);
    const begin = (): Running => launch([...args, '--url', server.url]);
    let loader = begin();
    for (const least of moments) {
      await holds(server.url, type, least, loader);
      const dead = victim === 'server' ? server : loader;
      dead.process.kill('SIGKILL');
      await dead.ended;
      if (victim === 'server') server = await serve(port);
      else loader = begin();
    }
    return { url: server.url, ran: await loader.ended };
  }

  test(`the sample survives a killed ${victim}, and comes out as it went in`, async () => {
    const lines = sampleOf(8);
    const { url, ran } = await loadUnderFire(['sample', '--patients', '8'], 'Practitioner', [1]);
    expect(ran).toMatchObject({ code: 0 });
    expect(await totals(url, new Set(typesIn(lines)))).toEqual(countByType(typesIn(lines)));

    const out = join(folder, 'export');
    expect((await tsela(['export', '--url', url, '--out', out], { env })).code).toBe(0);
    const exported = readdirSync(out).flatMap(name =>
      readFileSync(join(out, name), 'utf8').trim().split('\n'),
    );
    const withoutMeta = (line: string): string => {
      const { meta, ...rest } = JSON.parse(line) as { meta: { versionId: string; security?: unknown } };
      // Written once; a consent that came later labels what it covers by a version of its own.
      expect(meta.security === undefined ? ['1'] : ['1', '2']).toContain(meta.versionId);
      return JSON.stringify(rest);
    };
    const plain = (list: string[]): string[] => list.map(line => JSON.stringify(JSON.parse(line))).sort();
    expect(exported.map(withoutMeta).sort()).toEqual(plain(lines));
  });

  test(`resources without an id are created once each, however often the ${victim} is killed`, async () => {
    const path = join(folder, 'p.ndjson');
    writeFileSync(path, '{"resourceType":"Patient"}\n'.repeat(200));
    const { url, ran } = await loadUnderFire(['load', path, '--retries', '20'], 'Patient', [20, 70, 130]);
    expect(ran.out).toContain('Loaded 200 resources');
    expect(ran.code).toBe(0);
    expect(await total(url, 'Patient')).toBe(200);
  });

  test('loading without a server, export and doctor agree with a server on the same data', async () => {
    const data = ['--data', join(folder, 'data')];
    const lines = sampleOf(3);
    const loaded = await tsela(['sample', '--patients', '3', ...data], { env });
    expect(loaded.out).toContain(`Loaded ${lines.length.toLocaleString('en')} resources`);
    expect(loaded.code).toBe(0);

    const doctor = await tsela(['doctor', '--full', ...data], { env });
    expect(doctor.out).toContain(
      `The index agrees with the content of all ${lines.length.toLocaleString('en')} resources.`,
    );
    expect(doctor).toMatchObject({ code: 0, err: '' });

    const reindex = await tsela(['reindex', ...data], { env });
    expect(reindex.out).toBe(`Made the index of ${lines.length.toLocaleString('en')} resources anew.\n`);

    const out = join(folder, 'export');
    const { code, out: told } = await tsela(['export', '--type', 'Patient', '--out', out, ...data], { env });
    expect(code).toBe(0);
    expect(told).toContain('3  resources in 1 file');
    expect(readdirSync(out)).toEqual(['Patient.ndjson']);

    // Known by its keys from the other side, too.
    const { url } = await serve();
    expect((await tsela(['sample', '--patients', '3', '--url', url])).code).toBe(0);
    expect(await totals(url, new Set(typesIn(lines)))).toEqual(countByType(typesIn(lines)));
    // The first patient has a consent, whose labels made a second version.
    const read = (await (await fetch(`${url}/Patient/patient-0002`)).json()) as { meta: unknown };
    expect(read.meta).toMatchObject({ versionId: '1' });
  });
}

describe('on SQLite', () => {
  sampleIsKept('server');

  test('a backup is one file, and overwrites nothing', async () => {
    const data = join(folder, 'data');
    expect((await tsela(['sample', '--patients', '2', '--data', data])).code).toBe(0);
    expect((await tsela(['backup', join(folder, 'copy'), '--data', data])).code).toBe(0);
    const again = await tsela(['backup', join(folder, 'copy'), '--data', data]);
    expect(again).toMatchObject({ code: 1 });
    expect(again.err).toContain('exists already');
    expect(readFileSync(join(folder, 'copy')).subarray(0, 15).toString()).toBe('tsela archive 1');
  });

  test('doctor warns of a running server, and commands that need the store for themselves are refused', async () => {
    await serve();
    const data = ['--data', join(folder, 'data')];
    const doctor = await tsela(['doctor', ...data]);
    expect(doctor.out).toMatch(/warn {2}The store .* is in use by another Tsela/);
    expect(doctor.code).toBe(0);
    const { code, err } = await tsela(['reindex', ...data]);
    expect(err).toContain('is in use by another Tsela');
    expect(code).toBe(1);
  });

  test('start tells a port that is in use', async () => {
    const { url } = await serve();
    const { port } = new URL(url);
    const { code, err } = await tsela(['start', '--open', '--port', port, '--data', join(folder, 'other')], {
      env,
    });
    expect(code).toBe(1);
    expect(err).toContain(`Port ${port} of 127.0.0.1 cannot be opened: it is in use.`);
    expect(err).not.toMatch(/\n\s+at /);
  });

  test.each(['export', 'reindex', 'backup'])('%s makes no store where there is none', async command => {
    const data = join(folder, 'nothing');
    const { code, err } = await tsela([
      command,
      ...(command === 'backup' ? [join(folder, 'copy')] : []),
      '--data',
      data,
    ]);
    expect(code).toBe(1);
    expect(err).toContain(`There is no store in ${data}.`);
    expect(existsSync(data)).toBe(false);
  });

  test.skipIf(process.platform === 'win32')(
    'doctor tells who may look into the data (not on Windows)',
    async () => {
      const open = join(folder, 'open');
      mkdirSync(open, { mode: 0o700 });
      expect((await tsela(['doctor', '--data', open])).out).not.toContain('Others');
      chmodSync(open, 0o750);
      expect((await tsela(['doctor', '--data', open])).out).toMatch(
        /warn {2}Others may look .*\n.*chmod 700/,
      );
    },
  );

  test('doctor tells every setting that cannot be used', async () => {
    const { code, out } = await tsela(['doctor'], {
      env: { TSELA_PORT: 'eighty', TSELA_ZONE: 'Nowhere', TSELA_DATTA: 'x' },
    });
    expect(code).toBe(1);
    for (const told of ['TSELA_PORT', 'TSELA_ZONE']) expect(out).toContain(told);
    expect((await tsela(['doctor', '--data', folder], { env: { TSELA_DATTA: 'x' } })).out).toContain(
      'TSELA_DATTA looks like a setting and is none.',
    );
  });

  test('a failure of the gate is told with file, line and element', async () => {
    const { url } = await serve();
    const lines = sampleOf(1).map(line => line.replace(/"birthDate":"[^"]*"/, '"birthDate":"yesterday"'));
    const { code, err, out } = await tsela(['load', '-', '--url', url], { input: lines.join('\n') });
    expect(code).toBe(1);
    expect(err).toMatch(/standard input, line \d+ \(Patient\/patient-0001\): 400 .*birthDate/);
    expect(out).toContain(`Loaded ${lines.length - 1} resources`);
  });
});

describe.skipIf(mongoUrl === undefined)('on MongoDB (skipped where MONGODB_URL is not set)', () => {
  const database = `tsela_cli_${process.pid}`;
  const drop = async (): Promise<void> => {
    const client = await MongoClient.connect(mongoUrl ?? '');
    await client.db(database).dropDatabase();
    await client.close();
  };
  beforeEach(async () => {
    env = { ...env, MONGODB_URL: mongoUrl ?? '', TSELA_MONGODB_DATABASE: database };
    await drop();
  });
  afterEach(drop);
  // Not the server: what it has open in the database is ended there after a minute, in the tests' engine never, and
  // until then it locks everybody out.
  sampleIsKept('loader');

  test('doctor tells a database that cannot be reached', async () => {
    const { code, out } = await tsela(['doctor', '--mongodb-url', 'mongodb://127.0.0.1:1/']);
    expect(code).toBe(1);
    expect(out).toContain('The store cannot be opened');
    expect(out).toContain('MONGODB_URL');
  });
});

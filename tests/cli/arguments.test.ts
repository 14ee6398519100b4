// What the command line says to people: help, versions, mistakes, and refusals without stack traces.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { begin, tsela } from './cli.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('tsela', () => {
  test('--version prints the package version', async () => {
    expect(await tsela(['--version'])).toEqual({ code: 0, out: `${packageJson.version}\n`, err: '' });
  });

  test('--help names every command', async () => {
    const { code, out } = await tsela(['--help']);
    expect(code).toBe(0);
    for (const command of ['start', 'load', 'export', 'sample', 'reindex', 'backup', 'doctor'])
      expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
  });

  test('an unknown command is refused with a suggestion', async () => {
    const { code, err } = await tsela(['laod']);
    expect(code).not.toBe(0);
    expect(err).toContain('Did you mean load?');
  });

  test.each([
    [['load'], "missing required argument 'paths'"],
    [
      ['load', '/nowhere/at/all.json', '--url', 'http://127.0.0.1:1/fhir'],
      '/nowhere/at/all.json cannot be read',
    ],
    [
      ['load', '.', '--parallel', '0', '--url', 'http://127.0.0.1:1/fhir'],
      'Expected a whole number from 1 to 64',
    ],
    [['load', 'package.json'], 'Which server? Give --url or --data.'],
    [['load', 'package.json', '--url', 'http://127.0.0.1:1/fhir', '--data', 'x'], 'exclude each other'],
    [['load', 'package.json', '--url', 'ftp://example.org'], 'is not an http or https address'],
    [
      ['load', 'package.json', '--url', 'http://127.0.0.1:1/fhir', '--header', 'nothing'],
      'expected "Name: value"',
    ],
    [
      ['load', 'package.json', '--as', 'soup', '--url', 'http://127.0.0.1:1/fhir'],
      'Allowed choices are auto, bundle, entries',
    ],
    [['sample', '--today', '2026-02-30'], '2026-02-30 is not a day'],
    [['sample', '--patients', 'many'], 'Expected a whole number'],
    [['sample', '--out', '/nowhere/at/all.ndjson'], '/nowhere/at/all.ndjson cannot be written'],
    [['export'], 'Which server? Give --url or --data.'],
    [['start', '--open', '--port', 'eighty'], 'TSELA_PORT'],
  ])('%j is refused with a sentence', async (args, sentence) => {
    const { code, out, err } = await tsela(args);
    expect(code).toBe(1);
    expect(err).toContain(sentence);
    expect(err).not.toMatch(/\n\s+at /);
    expect(out).toBe('');
  });

  test('a server that is not there is told before anything is read, with what to do', async () => {
    const { code, err } = await tsela(['load', 'package.json', '--url', 'http://127.0.0.1:1/fhir']);
    expect(code).toBe(1);
    expect(err).toMatch(/No server answers at http:\/\/127\.0\.0\.1:1\/fhir: .*ECONNREFUSED/);
    expect(err).toContain('tsela start --open');
  });

  test('--verbose adds the stack trace', async () => {
    const { err } = await tsela(['--verbose', 'load', 'package.json', '--url', 'http://127.0.0.1:1/fhir']);
    expect(err).toMatch(/\n\s+at /);
  });

  test('a reader that stops early is no failure', async () => {
    const { process: child, ended } = begin(['sample', '--patients', '500']);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 0, err: '' });
  });
});

describe('tsela start', () => {
  test('does not serve on another address than loopback without the address clients know it by', async () => {
    const { code, err } = await tsela(['start', '--data', folder, '--port', '0', '--host', '0.0.0.0']);
    expect(code).toBe(1);
    expect(err).toContain('TSELA_BASE_URL');
  });

  test('--open is refused on another address than loopback', async () => {
    const { code, err } = await tsela([
      'start',
      '--open',
      '--host',
      '0.0.0.0',
      '--data',
      folder,
      '--port',
      '0',
    ]);
    expect(code).toBe(1);
    expect(err).toContain('127.0.0.1 only');
  });
});

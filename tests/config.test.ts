// Settings: all problems at once, each with its name and an example; nothing guessed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkServing,
  ConfigError,
  defaultConfig,
  originOf,
  readConfig,
  unknownSettings,
} from '../src/config.js';
import { settingRows } from '../src/settings.js';

const problemsOf = (work: () => unknown): readonly string[] => {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('settings', () => {
  it('are their defaults without an environment, and empty values count as none', () => {
    expect(readConfig({}, {})).toEqual(defaultConfig);
    expect(readConfig({}, Object.fromEntries(settingRows.map(([, row]) => [row.env, ''])))).toEqual(
      defaultConfig,
    );
  });

  it('have one name, a sentence and an example that is accepted', () => {
    expect(new Set(settingRows.map(([, row]) => row.env)).size).toBe(settingRows.length);
    for (const [name, row] of settingRows) {
      expect(row.says, name).toMatch(/^[A-Z`].*\.$/);
      expect(() => row.kind.parse(row.example), name).not.toThrow();
    }
  });

  it('come from options first, then from the environment', () => {
    const env = { TSELA_PORT: '1234', TSELA_HOST: '0.0.0.0' };
    expect(readConfig({ port: '99' }, env)).toMatchObject({ port: 99, host: '0.0.0.0' });
  });

  it.each([
    ['TSELA_BODY_LIMIT', '2MB', 'bodyLimit', 2 * 1024 ** 2],
    ['TSELA_BODY_LIMIT', '10 kb', 'bodyLimit', 10_240],
    ['TSELA_BODY_LIMIT', '77', 'bodyLimit', 77],
    ['TSELA_RECEIVE_TIMEOUT', '2m', 'receiveTimeout', 120_000],
    ['TSELA_SLOW_REQUEST', '250ms', 'slowRequest', 250],
    ['TSELA_ZONE', 'Africa/Maseru', 'zone', 'Africa/Maseru'],
    ['TSELA_BASE_URL', 'https://fhir.example.org/', 'baseUrl', 'https://fhir.example.org'],
    [
      'TSELA_CORS_ORIGINS',
      'https://a.example, https://b.example:8443',
      'corsOrigins',
      ['https://a.example', 'https://b.example:8443'],
    ],
    ['TSELA_OPEN', 'true', 'open', true],
  ] as const)('%s=%s is read', (env, value, name, expected) => {
    expect(readConfig({}, { [env]: value })[name]).toEqual(expected);
  });

  it.each([
    ['TSELA_PORT', '70000'],
    ['TSELA_PORT', 'tcp://10.0.0.1:8080'],
    ['TSELA_BODY_LIMIT', '0'],
    ['TSELA_BODY_LIMIT', '5 parsecs'],
    ['TSELA_RECEIVE_TIMEOUT', '60'],
    ['TSELA_ZONE', 'Mars/Olympus'],
    ['TSELA_BASE_URL', 'https://fhir.example.org/fhir'],
    ['TSELA_BASE_URL', 'fhir.example.org'],
    ['TSELA_CORS_ORIGINS', 'https://a.example/path'],
    ['TSELA_OPEN', 'yes'],
    ['TSELA_DURABILITY', 'off'],
    ['MONGODB_URL', 'http://localhost'],
    ['TSELA_CURSOR_SECRET', 'short'],
  ])('%s=%s is refused by name, with an example', (env, value) => {
    const [problem, ...more] = problemsOf(() => readConfig({}, { [env]: value }));
    expect(more).toEqual([]);
    expect(problem).toContain(`for example ${env}=`);
  });

  it('are judged all at once', () => {
    expect(
      problemsOf(() => readConfig({}, { TSELA_PORT: 'x', TSELA_OPEN: 'x', TSELA_COUNT: '0' })),
    ).toHaveLength(3);
    expect(problemsOf(() => readConfig({}, { TSELA_COUNT: '50', TSELA_MAX_COUNT: '10' }))).toHaveLength(1);
  });

  it('that are secret are never told', () => {
    const [problem] = problemsOf(() => readConfig({}, { MONGODB_URL: 'mysql://root:geheim@db' }));
    expect(problem).not.toContain('geheim');
  });

  it('that are secret may be in a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tsela-config-'));
    const file = join(folder, 'secret');
    const secret = 'a secret of more than thirty-two characters';
    writeFileSync(file, `${secret}\n`);
    const inFile = { TSELA_AUTH_SECRET_FILE: file };
    expect(readConfig({}, inFile).authSecret).toBe(secret);
    expect(unknownSettings({ ...inFile, TSELA_PORT_FILE: file })).toEqual(['TSELA_PORT_FILE']);
    const wrong = (env: Record<string, string>) => problemsOf(() => readConfig({}, env))[0];
    expect(wrong({ ...inFile, TSELA_AUTH_SECRET: secret })).toMatch(/leave one of them out/);
    expect(wrong({ TSELA_AUTH_SECRET_FILE: join(folder, 'absent') })).toMatch(
      /TSELA_AUTH_SECRET_FILE.*ENOENT/,
    );
    writeFileSync(file, 'geheim');
    expect(wrong(inFile)).toMatch(/at least 32 characters/);
    expect(wrong(inFile)).not.toContain('geheim');
    rmSync(folder, { recursive: true });
  });

  it('for development are refused in production', () => {
    const env = {
      NODE_ENV: 'production',
      TSELA_OPEN: 'true',
      TSELA_OPEN_IN_CONTAINER: 'true',
      TSELA_DURABILITY: 'normal',
    };
    expect(problemsOf(() => readConfig({}, env))).toHaveLength(3);
    expect(problemsOf(() => readConfig({ open: 'true' }, { NODE_ENV: 'production' }))).toHaveLength(1);
    expect(
      problemsOf(() =>
        readConfig({}, { NODE_ENV: 'production', TSELA_OPEN: 'false', TSELA_DURABILITY: 'full' }),
      ),
    ).toEqual([]);
  });

  it('that do not exist are noticed', () => {
    expect(unknownSettings({ TSELA_PROT: '1', TSELA_PORT: '1', PATH: '' })).toEqual(['TSELA_PROT']);
  });
});

describe('serving', () => {
  const open = { ...defaultConfig, open: true };
  it('needs the address clients know it by, and open mode the loopback address', () => {
    expect(problemsOf(() => checkServing(defaultConfig))).toEqual([]);
    expect(problemsOf(() => checkServing({ ...defaultConfig, host: '0.0.0.0' }))).toHaveLength(1);
    const baseUrl = 'https://fhir.example.org';
    expect(problemsOf(() => checkServing({ ...defaultConfig, host: '0.0.0.0', baseUrl }))).toEqual([]);
    for (const host of ['127.0.0.1', '::1', 'localhost'])
      expect(problemsOf(() => checkServing({ ...open, host }))).toEqual([]);
    expect(problemsOf(() => checkServing({ ...open, host: '0.0.0.0' }))).toHaveLength(1);
    expect(problemsOf(() => checkServing({ ...open, host: '0.0.0.0', openInContainer: true }))).toEqual([]);
    expect(problemsOf(() => checkServing({ ...open, corsOrigins: ['*'] }))).toHaveLength(1);
  });

  it('is at the base URL, or at host and port', () => {
    expect(originOf({ host: '0.0.0.0', port: 1, baseUrl: undefined })).toBe('http://127.0.0.1:1');
    expect(originOf({ host: '::1', port: 1, baseUrl: undefined }, 2)).toBe('http://[::1]:2');
    expect(originOf({ host: '::1', port: 1, baseUrl: 'https://fhir.example.org' }, 2)).toBe(
      'https://fhir.example.org',
    );
  });
});

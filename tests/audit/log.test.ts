// Log lines: one JSON object each, with level, time and message, whole after a flush.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../../src/audit/log.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-log-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const linesOf = (file: string): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>);

it('writes one JSON object a line', async () => {
  const file = join(folder, 'all');
  const log = createLog({ logLevel: 'info' }, file);
  log.debug({ n: 0 }, 'not shown');
  log.info({ n: 1 }, 'first');
  log.warn({ n: 2 }, 'second');
  await expect.poll(() => readFileSync(file, 'utf8')).toContain('second');
  expect(linesOf(file)).toMatchObject([
    { level: 'info', n: 1, msg: 'first' },
    { level: 'warn', n: 2, msg: 'second' },
  ]);
  expect(linesOf(file)[0]!['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

it('writes an error with its stack and its causes, at once when flushed', () => {
  const file = join(folder, 'errors');
  const log = createLog({ logLevel: 'error' }, file);
  log.warn({}, 'not shown');
  log.error({ id: 'r1', err: new Error('outer', { cause: new Error('inner') }) }, 'failed');
  log.flush();
  const [line, ...more] = linesOf(file);
  expect(more).toEqual([]);
  expect(line).toMatchObject({
    level: 'error',
    id: 'r1',
    err: { type: 'Error', message: 'outer', cause: { message: 'inner' } },
  });
  expect((line!['err'] as { stack: string[] }).stack[0]).toMatch(/^at .*log\.test/);
});

it('writes nothing of what an error met', () => {
  const file = join(folder, 'private');
  const log = createLog({ logLevel: 'error' }, file);
  const thrown = (work: () => unknown): unknown => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };
  const errors = [
    thrown(() => JSON.parse('{"family": "Mokoena", "given": Mokoena}')),
    Object.assign(new Error('E11000 duplicate key error dup key: { _id: "Mokoena" }'), {
      code: 11000,
      keyValue: { _id: 'Mokoena' },
      writeErrors: [{ op: { family: 'Mokoena' } }],
    }),
    new Error('version conflict on Patient/Mokoena', { cause: new Error("of `Mokoena` and 'Mokoena'") }),
    new Error('first line\n"Mokoena\n    at Mokoena'),
    'Mokoena',
  ];
  for (const err of errors) log.error({ err }, 'failed');
  log.flush();
  const lines = linesOf(file);
  expect(lines).toHaveLength(errors.length);
  expect(lines[1]).toMatchObject({ err: { code: 11000, message: 'E11000 duplicate key error dup key: …' } });
  expect(readFileSync(file, 'utf8')).not.toContain('Mokoena');
});

it('can be silent', () => {
  const file = join(folder, 'silent');
  const log = createLog({ logLevel: 'silent' }, file);
  log.error({}, 'nothing');
  log.flush();
  expect(readFileSync(file, 'utf8')).toBe('');
});

// The audit journal's promises: whole lines in order, a chain that shows every change, and no half line after a crash.
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { AuditEntry } from '../../src/audit/audit-entry.js';
import { verifiedLines, beginning, BrokenJournal, openJournal, type Line } from '../../src/audit/journal.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsela-journal-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const entry = (n: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  at: 1_800_000_000_000 + n,
  id: `r${n}`,
  event: 'read',
  status: 200,
  agent: { principal: 'somebody' },
  path: `Patient/${n}`,
  read: [`Patient/${n}/_history/1`],
  written: [],
  ...more,
});
const gathered = async (lines: AsyncIterable<Line>): Promise<string[]> => {
  const ids: string[] = [];
  for await (const { entry } of lines) ids.push(entry.id);
  return ids;
};
const file = (): string => join(folder, readdirSync(folder).sort().at(-1)!);
const written = async (count: number): Promise<void> => {
  const journal = await openJournal(folder);
  for (let n = 1; n <= count; n++) journal.append(entry(n));
  await journal.close();
};

it('gives every line back in order, from any place, also after it was opened again', async () => {
  await written(3);
  const journal = await openJournal(folder);
  journal.append(entry(4, { query: 'name=a\u2028b\rc\nd“é”' }));
  const all: Line[] = [];
  for await (const line of journal.lines(beginning)) all.push(line);
  expect(all.map(({ entry }) => entry.id)).toEqual(['r1', 'r2', 'r3', 'r4']);
  expect(all[3]!.entry.query).toBe('name=a\u2028b\rc\nd“é”');
  expect(all[3]!.after).toEqual(journal.end);
  for (const [i, { after }] of all.entries())
    expect(await gathered(journal.lines(after))).toEqual(['r1', 'r2', 'r3', 'r4'].slice(i + 1));
  await journal.close();
});

it('is synced for all who ask at the same time', async () => {
  const journal = await openJournal(folder);
  const waits = Array.from({ length: 50 }, (_, n) => {
    journal.append(entry(n));
    return journal.synced();
  });
  await Promise.all(waits);
  expect(readFileSync(file(), 'utf8').split('\n')).toHaveLength(51);
  await journal.close();
});

it.each([
  ['a changed character', (text: string) => text.replace('Patient/3', 'Patient/8')],
  ['a removed line', (text: string) => text.split('\n').toSpliced(2, 1).join('\n')],
  ['two lines that changed places', (text: string) => { const l = text.split('\n'); [l[1], l[2]] = [l[2]!, l[1]!]; return l.join('\n'); }], // prettier-ignore
  ['a line put between', (text: string) => text.split('\n').toSpliced(2, 0, text.split('\n')[0]!).join('\n')],
  ['a removed first line', (text: string) => text.split('\n').slice(1).join('\n')],
  ['a recomputed hash on a changed line', (text: string) => text.replace('Patient/3', 'Patient/8').replace(/^(\S{43})/m, 'A'.repeat(43))], // prettier-ignore
])('shows %s', async (_, change) => {
  await written(5);
  const text = readFileSync(file(), 'utf8');
  writeFileSync(file(), change(text));
  await expect(gathered(verifiedLines(folder))).rejects.toThrow(BrokenJournal);
});

it('tells of lines that are gone from its end, and puts no other in their place', async () => {
  await written(5);
  const first = await openJournal(folder);
  const reached = first.end;
  await first.close();
  writeFileSync(file(), readFileSync(file(), 'utf8').split('\n').slice(0, 3).join('\n') + '\n');
  const told: Error[] = [];
  const journal = await openJournal(folder, reached, error => told.push(error));
  expect(told.map(error => error.message)).toEqual([expect.stringContaining('gone from its end')]);
  journal.append(entry(6));
  expect(await gathered(journal.lines(reached))).toEqual(['r6']);
  await journal.close();
  expect(await gathered(verifiedLines(folder))).toEqual(['r1', 'r2', 'r3', 'r6']);
});

it('goes on where somebody changed it, and the change still shows', async () => {
  await written(3);
  writeFileSync(file(), readFileSync(file(), 'utf8').replace('Patient/2', 'Patient/9'));
  await written(2);
  await expect(gathered(verifiedLines(folder))).rejects.toThrow('line 2');
});

it('cuts off a line that was not written whole, and goes on with the chain', async () => {
  await written(3);
  appendFileSync(file(), `${'x'.repeat(43)} {"at":1,"id":"half`);
  const journal = await openJournal(folder);
  journal.append(entry(4));
  await journal.close();
  expect(await gathered(verifiedLines(folder))).toEqual(['r1', 'r2', 'r3', 'r4']);
});

it('goes on in a new file when one is long, and can do without the oldest', async () => {
  const journal = await openJournal(folder);
  const long = 'x'.repeat(1 << 20);
  for (let n = 1; n <= 130; n++) journal.append(entry(n, { query: long }));
  expect(readdirSync(folder)).toHaveLength(3);
  expect(await gathered(journal.lines(beginning))).toHaveLength(130);
  journal.discard(Date.now() + 1000, journal.end);
  expect(readdirSync(folder)).toHaveLength(1);
  journal.append(entry(131));
  await journal.close();
  const left = await gathered(verifiedLines(folder));
  expect(left.at(-1)).toBe('r131');
  const again = await openJournal(folder);
  again.append(entry(132));
  await again.close();
  expect((await gathered(verifiedLines(folder))).at(-1)).toBe('r132');
});

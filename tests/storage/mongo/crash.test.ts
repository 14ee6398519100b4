// SIGKILL at random moments under a load of 300-write transactions: what was acknowledged is there once, nothing is
// half there. Three rounds; TSELA_CRASH_ROUNDS asks for more.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect, newFacility, title, token, unavailable, url, write, type Facility } from './facility.js';

const rounds = Number(process.env['TSELA_CRASH_ROUNDS'] ?? 3);
const writer = fileURLToPath(new URL('crash-writer.mjs', import.meta.url));

describe.skipIf(unavailable)(title('MongoDB under SIGKILL'), () => {
  let facility: Facility;
  beforeAll(async () => {
    facility = await newFacility();
  });
  afterAll(() => facility.dispose());

  test.each(Array.from({ length: rounds }, (_, i) => i))('round %i', async round => {
    const child = spawn(process.execPath, [writer, url, facility.database, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const acknowledged: number[] = [];
    let begun!: () => void;
    const first = new Promise<void>(resolve => (begun = resolve));
    const lines = createInterface(child.stdout).on('line', line => {
      acknowledged.push(Number(line));
      if (acknowledged.length === 2) begun();
    });
    await first;
    await wait(Math.random() * 400);
    child.kill('SIGKILL');
    await Promise.all([once(lines, 'close'), once(child, 'exit')]);
    // What the dead process had open on the server must not stand in the next one's way.
    const store = await facility.open();

    const sizes = new Map<string, number>();
    for (const { ref } of await collect(store.scan(['Patient', 'Observation']))) {
      const [, batch] = /^(r\d+-n\d+)-/.exec(ref.id) ?? [];
      if (batch?.startsWith(`r${round}-`)) sizes.set(batch, (sizes.get(batch) ?? 0) + 1);
    }
    for (const n of acknowledged) expect(sizes.get(`r${round}-n${n}`)).toBe(299);
    for (const size of sizes.values()) expect(size).toBe(299);
    expect(sizes.size - acknowledged.length).toBeLessThanOrEqual(1); // committed, and killed before it could say so
    const changed = await store.read({ type: 'Patient', id: `r${round}-changed` });
    expect(changed?.version).toBe(sizes.size);
    const history = await store.history({ type: 'Patient', id: `r${round}-changed`, count: 1_000 });
    expect(history.versions).toHaveLength(sizes.size);

    const logged = (await collect(store.changes(''))).filter(({ ref }) => ref.id.startsWith(`r${round}-`));
    expect(logged).toHaveLength(sizes.size * 300);
    const rowsOf = ({ ref }: { ref: { id: string } }) => {
      const batch = ref.id.endsWith('changed')
        ? `${ref.id.split('-')[0]}-n${lastOf(ref.id)}`
        : ref.id.replace(/-i\d+$/, '');
      return [token('batch', batch)];
    };
    const last = new Map<string, number>();
    for (const version of await collect(store.scan(['Patient'])))
      last.set(version.ref.id, version.version - 1);
    const lastOf = (id: string): number => last.get(id)!;
    expect(await collect(store.check(rowsOf))).toEqual([]);

    const expected = changed!.version;
    await store.commit([write(`Patient/r${round}-changed`, { expected, content: null })]);
  });
});

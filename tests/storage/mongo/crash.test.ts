// SIGKILL at random moments under a load of 300-write transactions: what was acknowledged is there once, nothing is
// half there. Three rounds; TSELA_CRASH_ROUNDS asks for more.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as dial } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Binary, BSON, Long } from 'mongodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Store } from '../../../src/storage/store.js';
import { collect, newFacility, title, token, unavailable, url, type Facility } from './facility.js';

const rounds = Number(process.env['TSELA_CRASH_ROUNDS'] ?? 3);
const writer = fileURLToPath(new URL('crash-writer.mjs', import.meta.url));

interface Said {
  readonly session?: string;
  readonly number?: string;
  readonly acknowledged?: number;
}

describe.skipIf(unavailable)(title('MongoDB under SIGKILL'), () => {
  let facility: Facility;
  let store: Store;
  beforeAll(async () => {
    facility = await newFacility();
    store = await facility.open();
  });
  afterAll(() => facility.dispose());

  test.each(Array.from({ length: rounds }, (_, i) => i))('round %i', async round => {
    const child = spawn(process.execPath, [writer, url, facility.database, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: Said[] = [];
    let begun!: () => void;
    const first = new Promise<void>(resolve => (begun = resolve));
    const lines = createInterface(child.stdout).on('line', line => {
      said.push(JSON.parse(line) as Said);
      if (said.at(-1)!.acknowledged === 1) begun();
    });
    await first;
    await wait(Math.random() * 400);
    child.kill('SIGKILL');
    await once(lines, 'close');
    // The server would hold the dead client's transaction open for its whole life, a minute.
    await abort(said.findLast(({ session }) => session !== undefined)!);

    const acknowledged = said.flatMap(({ acknowledged }) => acknowledged ?? []);
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
  });
});

/** abortTransaction in the dead client's name, as a bare OP_MSG: the driver only speaks for sessions of its own. */
async function abort({ session, number }: Said): Promise<void> {
  const id = new Binary(Buffer.from(session!, 'hex'), Binary.SUBTYPE_UUID);
  const command = BSON.serialize({
    abortTransaction: 1,
    lsid: { id },
    txnNumber: Long.fromString(number!),
    autocommit: false,
    $db: 'admin',
  });
  const message = Buffer.alloc(21 + command.length);
  message.writeInt32LE(message.length, 0);
  message.writeInt32LE(2013, 12);
  message.set(command, 21);
  const { hostname, port } = new URL(url);
  const socket = dial(Number(port || 27017), hostname);
  socket.write(message);
  await once(socket, 'data');
  socket.destroy();
}

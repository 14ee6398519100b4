// A process that writes to a SQLite store until it is killed: node load.mjs <path> <seed> [<commits> [<at once>]]. Creates, updates,
// deletions and commits of many writes, several at a time. Before a commit it prints `try`, after it `ack`, with what
// it wrote; lines go out synchronously, so that what was acknowledged is known whenever the process dies.
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../../../dist/storage/sqlite/store.js';

const [path, seed, most = '1000000', atOnce = '12'] = process.argv.slice(2);
const store = await openSqliteStore({ path });
let state = Number(seed);
const below = n => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) % n;
};
const say = line => writeSync(1, `${JSON.stringify(line)}\n`);

/** What is current, with the rows it was written with. */
const known = new Map();
for await (const { ref, version, body } of store.scan([]))
  known.set(`${ref.type}/${ref.id}`, { ref, version, rows: JSON.parse(body).rows });
const busy = new Set();
let made = 0;
let commits = 0;

function rows(commit) {
  const targets = [...known.values()];
  const target = targets.length > 0 ? targets[below(targets.length)].ref : { type: 'Patient', id: 'never' };
  return [
    { kind: 'token', param: 'commit', system: '', code: commit, end: 3 },
    { kind: 'token', param: 'code', system: 'urn:s', code: `c${below(20)}`, end: 3 },
    { kind: 'string', param: 'name', value: `name ${below(50)}`, exact: `Name ${below(50)}`, end: 3 },
    { kind: 'date', param: 'date', lo: below(1e9), hi: 2e9 + below(1e9), end: 3 },
    { kind: 'reference', param: 'subject', target: `${target.type}/${target.id}`, version: '' },
    { kind: 'reference', param: 'subject', target: `Patient/later-${below(1000)}`, version: '' },
  ];
}

function writeOf(commit, of) {
  const update = known.size > 5 && below(3) > 0;
  let was;
  if (update) {
    const list = [...known.values()].filter(one => !busy.has(one.ref.id));
    was = list[below(list.length)];
  }
  const ref = was?.ref ?? {
    type: below(2) ? 'Patient' : 'Observation',
    id: below(8) ? `${seed}-${made++}` : `later-${seed}-${made++}`,
  };
  busy.add(ref.id);
  const gone = was !== undefined && below(12) === 0;
  const lastUpdated = Date.now();
  const more = gone ? [] : rows(commit);
  const body = gone
    ? undefined
    : Buffer.from(
        JSON.stringify({
          resourceType: ref.type,
          id: ref.id,
          commit,
          of,
          rows: more,
          filling: 'x'.repeat(below(3000)),
        }),
      );
  return {
    ref,
    expected: was?.version ?? 0,
    method: gone ? 'DELETE' : was ? 'PUT' : 'POST',
    lastUpdated,
    ...(body ? { body } : {}),
    rows: more,
    replaces: was?.rows ?? [],
  };
}

async function work(nth) {
  while (commits < Number(most)) {
    const commit = `${seed}-${nth}-${commits++}`;
    const of = below(4) === 0 ? 2 + below(below(10) === 0 ? 300 : 12) : 1;
    const writes = [];
    while (writes.length < of) {
      const write = writeOf(commit, of);
      if (write.method === 'DELETE' && of > 1) {
        busy.delete(write.ref.id);
        continue;
      }
      writes.push(write);
    }
    const told = writes.map(({ ref, expected, body }) => [
      ref.type,
      ref.id,
      expected + 1,
      body ? createHash('sha1').update(body).digest('hex') : '',
    ]);
    say({ try: commit });
    await store.commit(writes, { key: commit, body: Buffer.from(String(of)) });
    say({ ack: commit, writes: told });
    for (const { ref, expected, rows: now, body } of writes) {
      busy.delete(ref.id);
      const key = `${ref.type}/${ref.id}`;
      if (body) known.set(key, { ref, version: expected + 1, rows: now });
      else known.delete(key);
    }
  }
}
say({ ready: true });
await Promise.all(Array.from({ length: Number(atOnce) }, (_, nth) => work(nth)));
await store.close();

// The process that crash.test.ts kills: commits transactions of 300 writes, one after another, and tells on its
// standard output which transaction was acknowledged. Arguments: url, database, round.
import { writeSync } from 'node:fs';
import { openMongoStore } from '../../../dist/storage/mongo/store.js';

const [url, database, round] = process.argv.slice(2);
const store = await openMongoStore({ url, database });

for (let n = 0; ; n++) {
  const writes = Array.from({ length: 300 }, (_, i) => {
    const [type, id] = [i % 2 ? 'Observation' : 'Patient', `r${round}-n${n}-i${i}`];
    return {
      ref: { type, id },
      expected: 0,
      method: 'PUT',
      lastUpdated: Date.now(),
      body: Buffer.from(JSON.stringify({ resourceType: type, id })),
      rows: [{ kind: 'token', param: 'batch', system: '', code: `r${round}-n${n}` }],
      replaces: [],
      ...(i === 0 ? { claims: [`batch r${round}-n${n}`] } : {}),
    };
  });
  // One resource that every transaction changes, so that history is at stake too.
  const version = n === 0 ? 0 : n;
  writes[0] = { ...writes[0], ref: { type: 'Patient', id: `r${round}-changed` }, expected: version };
  await store.commit(writes);
  writeSync(1, `${n}\n`);
}

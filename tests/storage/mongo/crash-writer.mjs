// The process that crash.test.ts kills: commits transactions of 300 writes, one after another, and tells on its
// standard output which session it uses and which transaction was acknowledged. Arguments: url, database, round.
import { writeSync } from 'node:fs';
import { commit, commitLimits } from '../../../dist/storage/mongo/commit.js';
import { connect } from '../../../dist/storage/mongo/connect.js';
import { openLayout } from '../../../dist/storage/mongo/layout.js';

const [url, database, round] = process.argv.slice(2);
const say = message => writeSync(1, `${JSON.stringify(message)}\n`);
const connection = await connect({ url, database, driver: { monitorCommands: true } });
connection.client.on('commandStarted', ({ command }) => {
  if (command.startTransaction)
    say({ session: command.lsid.id.toString('hex'), number: String(command.txnNumber) });
});
const layout = await openLayout(connection.db);

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
  await commit(connection, layout, commitLimits, writes, undefined);
  say({ acknowledged: n });
}

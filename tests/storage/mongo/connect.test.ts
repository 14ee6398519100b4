// What is said to the server (concerns, one transaction per commit) and what is said to people when it does not answer.
import type { CommandStartedEvent } from 'mongodb';
import { describe, expect, test } from 'vitest';
import { FhirError } from '../../../src/errors.js';
import { commit, commitLimits } from '../../../src/storage/mongo/commit.js';
import { connect } from '../../../src/storage/mongo/connect.js';
import { openMongoDocuments } from '../../../src/storage/mongo/documents.js';
import { openLayout } from '../../../src/storage/mongo/layout.js';
import { openSessions } from '../../../src/storage/mongo/sessions.js';
import { openMongoStore } from '../../../src/storage/mongo/store.js';
import { newFacility, title, token, unavailable, url, write } from './facility.js';

async function refusal(work: Promise<unknown>): Promise<FhirError> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(FhirError);
  return error as FhirError;
}

describe.skipIf(unavailable)(title('what is said to MongoDB'), () => {
  test('a commit is one transaction, committed with majority concern, read from a snapshot', async () => {
    const facility = await newFacility();
    // Even a connection string that asks for less gets a majority.
    const weak = `${url}${url.includes('?') ? '&' : '?'}w=1&journal=false&readConcernLevel=local`;
    const connection = await connect({
      url: weak,
      database: facility.database,
      driver: { monitorCommands: true },
    });
    const layout = await openLayout(connection.db);
    const sessions = openSessions(layout);
    const said: CommandStartedEvent[] = [];
    connection.client.on('commandStarted', event => said.push(event));
    const first = write('Patient/a', {
      rows: [token('p', 'x')],
      claims: ['c'],
      condition: {
        plan: { types: ['Patient'], where: { op: 'all' }, sort: [], count: 2, total: 'none' },
        locks: ['Patient'],
        found: [],
      },
    });
    await commit(connection, layout, sessions, commitLimits, [first, write('Patient/b')], {
      key: 'r',
      body: new Uint8Array(1),
    });
    await commit(
      connection,
      layout,
      sessions,
      commitLimits,
      [write('Patient/a', { expected: 1, claims: [] })],
      undefined,
    );

    const commits = said.filter(({ commandName }) => commandName === 'commitTransaction');
    expect(commits.map(({ command }) => command['writeConcern'] as unknown)).toEqual([majority, majority]);
    const started = said.filter(({ command }) => command['startTransaction'] === true);
    expect(started.map(({ command }) => (command['readConcern'] as { level: string }).level)).toEqual([
      'snapshot',
      'snapshot',
    ]);
    const writes = said.filter(({ commandName }) =>
      ['insert', 'update', 'delete', 'findAndModify'].includes(commandName),
    );
    const outside = writes.filter(({ command }) => command['autocommit'] !== false);
    // Only numbers are taken and sessions named outside, and nothing inside weakens the transaction.
    expect(
      new Set(outside.map(({ command, commandName }) => `${commandName} ${String(command[commandName])}`)),
    ).toEqual(new Set(['findAndModify counters', 'update sessions']));
    expect(outside.map(({ command }) => command['writeConcern'] as unknown)).toEqual(
      outside.map(() => majority),
    );
    expect(
      new Set(
        writes
          .filter(command => !outside.includes(command))
          .map(({ command, commandName }) => `${commandName} ${String(command[commandName])}`),
      ),
    ).toEqual(
      new Set([
        'update locks',
        'insert Patient',
        'update Patient',
        'insert claims',
        'delete claims',
        'insert history',
        'insert receipts',
        'insert log',
      ]),
    );
    for (const { command } of writes.filter(write => !outside.includes(write))) {
      expect(command['writeConcern']).toBeUndefined(); // a server refuses one inside a transaction
      if (command['startTransaction'] !== true) expect(command['readConcern']).toBeUndefined();
    }
    await connection.client.close();
    await facility.dispose();
  });
});
const majority = expect.objectContaining({ w: 'majority', j: true }) as unknown;

describe('a MongoDB that does not answer', () => {
  test(
    'a closed port is "unavailable" in bounded time, without credentials',
    { timeout: 20_000 },
    async () => {
      const secret = 'mongodb://user:s3cret@127.0.0.1:1/';
      for (const open of [openMongoStore, openMongoDocuments]) {
        const error = await refusal(
          open({ url: secret, database: 'x', driver: { serverSelectionTimeoutMS: 300 } }),
        );
        expect(error.code).toBe('unavailable');
        expect(error.cause).toBeInstanceOf(Error);
        for (let at: unknown = error; at instanceof Error; at = at.cause)
          expect(`${at.message} ${at.stack}`).not.toContain('s3cret');
      }
    },
  );

  test.each([
    'mongodb://user:s3cret',
    'http://user:s3cret@host/',
    'mongodb://user:s3cret@host:port/',
    'mongodb://user:s3cret@a/?w=nonsense&tls=maybe',
    'user:s3cret@host',
  ])('the malformed connection string %s is refused without repeating it', async malformed => {
    const error = await refusal(
      openMongoStore({ url: malformed, database: 'x', driver: { serverSelectionTimeoutMS: 1 } }),
    );
    expect(error.code).toBe('unavailable');
    for (let at: unknown = error; at instanceof Error; at = at.cause)
      expect(`${at.message} ${at.stack}`).not.toContain('s3cret');
  });
});

describe.skipIf(unavailable)(title('a MongoDB that stops answering'), () => {
  test('every method says "unavailable" after close', async () => {
    const facility = await newFacility();
    const store = await facility.open();
    await store.commit([write('Patient/a')]);
    await store.close();
    const ref = { type: 'Patient', id: 'a' };
    for (const work of [
      () => store.read(ref),
      () => store.ping(),
      () => store.counts(),
      () => store.changes('')[Symbol.asyncIterator]().next(),
      async () => store.commit([write('Patient/b')]),
    ]) {
      expect((await refusal(work())).code).toBe('unavailable');
    }
    await facility.dispose();
  });
});

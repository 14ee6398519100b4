// A network between the store and MongoDB that breaks at the worst moments: a proxy that cuts connections.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../../../src/storage/store.js';
import { collect, newFacility, title, unavailable, url, write, type Facility } from './facility.js';

interface Proxy {
  readonly url: string;
  /** Called with each message of a client; what it answers happens to the message. */
  fate: (message: Buffer) => 'pass' | 'cut before' | 'cut after';
  close(): Promise<void>;
}

/** `cut after`: the message reaches the server, its answer does not come back. */
async function openProxy(): Promise<Proxy> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const proxy: Proxy = {
    url: '',
    fate: () => 'pass',
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
  const server: Server = createServer(client => {
    const upstream = connect(Number(port || 27017), hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
    let deaf = false;
    client.on('close', () => deaf || upstream.end());
    client.on('data', message => {
      const fate = proxy.fate(message);
      if (fate !== 'cut before') upstream.write(message);
      if (fate === 'pass') return;
      deaf = true;
      // Only an answer of the server shows that it has done what it was asked to.
      if (fate === 'cut after') upstream.once('data', () => client.destroy());
      else client.destroy();
    });
    upstream.on('data', answer => deaf || client.write(answer));
  }).listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  return Object.assign(proxy, { url: `mongodb://127.0.0.1:${(server.address() as AddressInfo).port}/` });
}

describe.skipIf(unavailable)(title('MongoDB behind a breaking network'), () => {
  let facility: Facility;
  let proxy: Proxy;
  let store: Store;
  let direct: Store;
  beforeEach(async () => {
    facility = await newFacility();
    direct = await facility.open();
    proxy = await openProxy();
    store = await facility.open({ url: proxy.url, driver: { serverSelectionTimeoutMS: 3_000 } });
    await store.commit([write('Patient/a')]);
  });
  afterEach(async () => {
    await facility.dispose();
    await proxy.close();
  });
  const ids = async (): Promise<string[]> =>
    (await collect(direct.changes(''))).map(({ ref, version }) => `${ref.id}${version}`);
  const times = (count: number, word: string, fate: 'cut before' | 'cut after'): void => {
    let left = count;
    proxy.fate = message => (message.includes(word) && left-- > 0 ? fate : 'pass');
  };

  test.each([
    [1, 'cut before'],
    [1, 'cut after'],
    [5, 'cut before'],
    [5, 'cut after'],
  ] as const)(
    'a commit whose commitTransaction is lost %i times (%s the server has it) is there once',
    async (count, fate) => {
      times(count, 'commitTransaction', fate);
      await store.commit([write('Patient/a', { expected: 1 }), write('Patient/b')]);
      proxy.fate = () => 'pass';
      expect(await ids()).toEqual(['a1', 'a2', 'b1']);
      expect((await direct.history({ count: 9 })).versions).toHaveLength(3);
      expect(await collect(direct.check(() => []))).toEqual([]);
    },
  );

  test('a commit that never hears whether it was committed looks into the log', async () => {
    const hurried = await facility.open({ url: proxy.url, limits: { deadline: 3_000 } });
    times(Infinity, 'commitTransaction', 'cut after');
    await hurried.commit([write('Patient/a', { expected: 1 }), write('Patient/b')]);
    expect(await ids()).toEqual(['a1', 'a2', 'b1']);
  });

  test.each(['insert', 'findAndModify', 'update'])('a commit whose %s is lost runs again', async word => {
    times(1, word, 'cut before');
    await store.commit([
      write('Patient/a', { expected: 1 }),
      write('Patient/b', { requires: [{ type: 'Patient', id: 'a' }] }),
    ]);
    proxy.fate = () => 'pass';
    expect(await ids()).toEqual(['a1', 'a2', 'b1']);
  });

  test(
    'a server that is gone is "unavailable" in bounded time for every method',
    { timeout: 60_000 },
    async () => {
      await proxy.close();
      const ref = { type: 'Patient', id: 'a' };
      const methods = [
        () => store.read(ref),
        () => store.commit([write('Patient/c')]),
        () => store.ping(),
        () => store.counts(),
        () => collect(store.scan([])),
        () => store.expunge(ref, 'history'),
      ];
      const outcomes = await Promise.allSettled(methods.map(method => method()));
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { name: 'FhirError', code: 'unavailable' },
        });
      }
      expect(await ids()).toEqual(['a1']);
    },
  );
});

describe.skipIf(unavailable)(title('MongoDB transactions that another one holds up'), () => {
  test('are given up after the deadline, and go through once the other is gone', async () => {
    const facility = await newFacility();
    const store = await facility.open();
    const hurried = await facility.open({ limits: { deadline: 400 } });
    await store.commit([write('Patient/a')]);
    const session = facility.db.client.startSession();
    session.startTransaction();
    await facility.db
      .collection<{ _id: string }>('Patient')
      .updateOne({ _id: 'a' }, { $set: { held: 1 } }, { session });
    await expect(hurried.commit([write('Patient/a', { expected: 1 })])).rejects.toMatchObject({
      code: 'conflict',
    });
    await session.abortTransaction();
    await session.endSession();
    await store.commit([write('Patient/a', { expected: 1 })]);
    expect((await store.read({ type: 'Patient', id: 'a' }))?.version).toBe(2);
    await facility.dispose();
  });
});

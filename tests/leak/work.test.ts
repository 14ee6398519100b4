// Nothing leaks by time: what is closed costs the server the same work as what was never there. Time itself is noise, so
// what is counted is what takes it: questions to the store, and passwords hashed.
// Surprising: that something closed was deleted takes a question more than that it never was. docs/security.md says so.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTsela, type Send, type Tsela } from '../system.js';
import { absent, callers, closed, probes, seed } from './world.js';

const asking = ['read', 'readMany', 'search', 'count', 'history', 'commit', 'claimOwner', 'receipt'] as const;

// What is asked does not depend on the store; on the embedded one nothing of it depends on the moment.
let opened: Tsela;
const tsela = (): Tsela => opened;
beforeAll(async () => {
  opened = await openTsela('SQLite', { expunge: true, conditionalDelete: 'multiple' });
  await seed(opened);
});
afterAll(() => opened.close());
/** How often each question was asked of the store meanwhile. */
const workOf = async (work: () => Promise<unknown>): Promise<Record<string, number>> => {
  const { store } = tsela().system;
  const counts: Record<string, number> = {};
  const kept = asking.map(name => [name, store[name].bind(store)] as const);
  for (const [name, own] of kept)
    Object.assign(store, {
      [name]: (...args: never[]): unknown => {
        counts[name] = (counts[name] ?? 0) + 1;
        return (own as (...args: never[]) => unknown)(...args);
      },
    });
  try {
    await work();
  } finally {
    for (const [name, own] of kept) Object.assign(store, { [name]: own });
  }
  return counts;
};

it.each(callers)(
  'of answering %s is the same for what is closed and what is not there',
  async (_, identity) => {
    const send: Send = tsela().as(await tsela().system.compile(identity));
    const told: string[] = [];
    for (const [what, probe] of probes.filter(([name]) => !name.includes('deleted'))) {
      let differs: string | undefined;
      // The server's own work in between adds to one or the other; a difference that is of the answer comes each time.
      for (let again = 0; again === 0 || (differs !== undefined && again < 5); again++) {
        const found = await workOf(() => probe(send, closed));
        const none = await workOf(() => probe(send, absent));
        const [a, b] = [found, none].map(work => JSON.stringify(Object.entries(work).sort()));
        differs = a === b ? undefined : `${what}: ${a} ≠ ${b}`;
      }
      if (differs !== undefined) told.push(differs);
    }
    expect(told).toEqual([]);
  },
);

// What every store promises (src/storage/store.ts), one test per promise. Adapters differ only in `capabilities`; what
// one cannot keep is skipped by name, with its reason.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Store } from '../../src/storage/store.js';
import { commitPromises } from './store/commit.js';
import { logPromises } from './store/log.js';
import { maintenancePromises } from './store/maintenance.js';
import { pagingPromises } from './store/paging.js';
import { racePromises } from './store/races.js';
import { oraclePromises } from './store/oracle.js';
import { reindexPromises } from './store/reindex.js';
import { readPromises } from './store/read.js';
import { rowPromises } from './store/rows.js';
import { searchPromises } from './store/search.js';
import { sortPromises } from './store/sort.js';
import { World, type Promises, type StoreUnderTest } from './store/suite.js';

export type { StoreUnderTest } from './store/suite.js';

export interface Skipped {
  readonly reason: string;
  /** Titles of tests; one that does not exist fails the run. */
  readonly tests: readonly string[];
}

export function storeContract(
  name: string,
  prepare: () => Promise<StoreUnderTest>,
  options: { skip?: readonly Skipped[] } = {},
): void {
  describe(`store contract: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: Store;
    beforeAll(async () => {
      subject = await prepare();
      store = await subject.open();
    });
    afterAll(async () => {
      await store.close();
      await subject.dispose();
    });

    const reasons = new Map(
      options.skip?.flatMap(({ reason, tests }) => tests.map(title => [title, reason] as const)),
    );
    const titles = new Set<string>();
    const promise: Promises = (title, run) => {
      if (titles.has(title)) throw new Error(`Two promises are called "${title}"`);
      titles.add(title);
      const reason = reasons.get(title);
      if (reason !== undefined) test.skip(`${title} (not here: ${reason})`, () => undefined);
      else test(title, () => run(new World(store)));
    };
    describe('read', () => readPromises(promise));
    describe('commit', () => commitPromises(promise));
    describe('races', () => racePromises(promise));
    describe('search by rows', () => rowPromises(promise));
    describe('search', () => searchPromises(promise));
    describe('sort', () => sortPromises(promise));
    describe('paging', () => pagingPromises(promise));
    describe('reindex', () => reindexPromises(promise, prepare));
    describe('search against the interpreter', () => oraclePromises(promise));
    describe('history and changes', () => logPromises(promise));
    describe('maintenance', () => maintenancePromises(promise, prepare));

    test('what is skipped exists', () => {
      expect([...reasons.keys()].filter(title => !titles.has(title))).toEqual([]);
    });
  });
}

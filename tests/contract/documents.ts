// What every documents adapter promises (src/storage/documents.ts), one test per promise.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Documents } from '../../src/storage/documents.js';

export interface DocumentsUnderTest {
  /** Opens the same stored documents, each time as another process would. */
  readonly open: () => Promise<Documents>;
  readonly dispose: () => Promise<void>;
}

export function documentsContract(name: string, prepare: () => Promise<DocumentsUnderTest>): void {
  describe(`documents contract: ${name}`, () => {
    let subject: DocumentsUnderTest;
    let documents: Documents;
    let collection = '';
    let n = 0;
    beforeAll(async () => {
      subject = await prepare();
      documents = await subject.open();
    });
    beforeEach(() => {
      collection = `tests${n++}`;
    });
    afterAll(async () => {
      await documents.close();
      await subject.dispose();
    });
    const past = (): number => Date.now() - 1;
    const later = (): number => Date.now() + 3_600_000;
    const keys = async (options?: Parameters<Documents['list']>[1]): Promise<string[]> =>
      (await documents.list(collection, options)).map(document => document.key);

    test.each([
      ['an object', { a: [1, { 'b.c': null }], $set: { __v: 'x' }, '': true, nested: { 'é\u{1f600}': 1.5 } }],
      ['a string', 'text\nwith "quotes" and \u0000'],
      ['a number', -0.25],
      ['null', null],
      ['false', false],
      ['a list', []],
    ])('keeps %s as it is', async (_what, value) => {
      const revision = await documents.put(collection, 'k', value);
      expect(await documents.get(collection, 'k')).toEqual({ key: 'k', value, revision });
    });

    test('get answers undefined for what is not there', async () => {
      await documents.put(collection, 'k', 1);
      expect(await documents.get(collection, 'K')).toBeUndefined();
      expect(await documents.get(`${collection}x`, 'k')).toBeUndefined();
    });

    test('a put replaces the value, the revision and the expiry', async () => {
      const first = await documents.put(collection, 'k', 1, { expires: later() });
      const second = await documents.put(collection, 'k', 2);
      expect(second).not.toBe(first);
      expect(await documents.get(collection, 'k')).toEqual({ key: 'k', value: 2, revision: second });
    });

    test('what was put is there for another opener', async () => {
      const expires = later();
      const revision = await documents.put(collection, 'k', { n: 1 }, { expires });
      const other = await subject.open();
      expect(await other.get(collection, 'k')).toEqual({ key: 'k', value: { n: 1 }, revision, expires });
      await other.close();
    });

    test('compare-and-set holds for the stored revision only', async () => {
      const first = await documents.put(collection, 'k', 1);
      const second = await documents.put(collection, 'k', 2, { expected: first! });
      expect(second).toBeTypeOf('number');
      expect(await documents.put(collection, 'k', 3, { expected: first! })).toBeUndefined();
      expect(await documents.put(collection, 'absent', 3, { expected: first! })).toBeUndefined();
      expect((await documents.get(collection, 'k'))?.value).toBe(2);
      expect(await documents.get(collection, 'absent')).toBeUndefined();
    });

    test('a document made again does not have the revision of the one before', async () => {
      const before = await documents.put(collection, 'k', 1);
      await documents.delete(collection, 'k');
      await documents.put(collection, 'k', 1);
      expect(await documents.put(collection, 'k', 2, { expected: before! })).toBeUndefined();
    });

    test('of 20 compare-and-sets on one revision one holds', async () => {
      const revision = await documents.put(collection, 'k', 'start');
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => documents.put(collection, 'k', i, { expected: revision! })),
      );
      const held = answers.flatMap((answer, i) => (answer === undefined ? [] : [i]));
      expect(held).toHaveLength(1);
      expect((await documents.get(collection, 'k'))?.value).toBe(held[0]);
    });

    test('a unique insert holds once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => documents.put(collection, 'k', i, { expected: 0 })),
      );
      const held = answers.flatMap((answer, i) => (answer === undefined ? [] : [i]));
      expect(held).toHaveLength(1);
      expect((await documents.get(collection, 'k'))?.value).toBe(held[0]);
      await documents.delete(collection, 'k');
      expect(await documents.put(collection, 'k', 'again', { expected: 0 })).toBeTypeOf('number');
    });

    test('20 unconditional puts at once all resolve, and one of their values stays', async () => {
      const revisions = await Promise.all(
        Array.from({ length: 20 }, (_, i) => documents.put(collection, 'k', i)),
      );
      const stored = await documents.get(collection, 'k');
      expect(revisions.indexOf(stored!.revision)).toBe(stored!.value);
    });

    test('of 20 takers exactly one gets the document', async () => {
      const revision = await documents.put(collection, 'k', 'code');
      const taken = await Promise.all(Array.from({ length: 20 }, () => documents.take(collection, 'k')));
      expect(taken.filter(document => document !== undefined)).toEqual([
        { key: 'k', value: 'code', revision },
      ]);
      expect(await documents.get(collection, 'k')).toBeUndefined();
    });

    test('delete says whether there was one, and minds the expected revision', async () => {
      const revision = await documents.put(collection, 'k', 1);
      expect(await documents.delete(collection, 'k', revision! + 1)).toBe(false);
      expect((await documents.get(collection, 'k'))?.value).toBe(1);
      expect(await documents.delete(collection, 'k', revision)).toBe(true);
      expect(await documents.delete(collection, 'k')).toBe(false);
    });

    test('an expired document does not exist, swept or not', async () => {
      const revision = await documents.put(collection, 'k', 1, { expires: past() });
      expect(await documents.get(collection, 'k')).toBeUndefined();
      expect(await documents.take(collection, 'k')).toBeUndefined();
      expect(await documents.delete(collection, 'k')).toBe(false);
      expect(await documents.put(collection, 'k', 2, { expected: revision! })).toBeUndefined();
      expect(await keys()).toEqual([]);
      expect(await documents.put(collection, 'k', 3, { expected: 0 })).toBeTypeOf('number');
      expect((await documents.get(collection, 'k'))?.value).toBe(3);
    });

    test('of 20 unique inserts over an expired document one holds', async () => {
      await documents.put(collection, 'k', 'old', { expires: past() });
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => documents.put(collection, 'k', i, { expected: 0 })),
      );
      const held = answers.flatMap((answer, i) => (answer === undefined ? [] : [i]));
      expect(held).toHaveLength(1);
      expect((await documents.get(collection, 'k'))?.value).toBe(held[0]);
    });

    test('sweep removes what has expired and nothing else', async () => {
      await documents.put(collection, 'old', 1, { expires: past() });
      await documents.put(collection, 'young', 1, { expires: later() });
      await documents.put(collection, 'lasting', 1);
      await documents.sweep();
      expect(await keys()).toEqual(['lasting', 'young']);
      expect(await documents.sweep()).toBe(0);
    });

    test('list goes by key in code point order, from a prefix, after a key, up to a limit', async () => {
      const sorted = ['B', 'a', 'a%', 'a.1', 'a.2', 'a.22', 'a_', 'b', 'é', '\uffee', '\u{1f600}'];
      for (const key of [...sorted].reverse()) await documents.put(collection, key, key);
      await documents.put(`${collection}z`, 'a.3', 1);
      expect(await keys()).toEqual(sorted);
      expect(await keys({ prefix: 'a.' })).toEqual(['a.1', 'a.2', 'a.22']);
      expect(await keys({ prefix: 'a%' })).toEqual(['a%']);
      expect(await keys({ prefix: 'a.', after: 'a.1' })).toEqual(['a.2', 'a.22']);
      expect(await keys({ prefix: 'a.', after: 'B' })).toEqual(['a.1', 'a.2', 'a.22']);
      expect(await keys({ prefix: 'a.', after: 'b' })).toEqual([]);
      expect(await keys({ after: 'a_', limit: 2 })).toEqual(['b', 'é']);
      expect(await keys({ limit: 0 })).toEqual([]);
    });
  });
}

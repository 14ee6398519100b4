// Turns: who writes the same things waits, in order; nobody else does; nothing is left behind.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inTurn } from '../../src/interactions/commit.js';

it('takes 10,000 who want the same in the order they came', async () => {
  const order: number[] = [];
  let inside = 0;
  await Promise.all(
    Array.from({ length: 10_000 }, (_, i) =>
      inTurn(['Patient/1'], async () => {
        expect(++inside).toBe(1);
        await Promise.resolve();
        order.push(i);
        inside--;
      }),
    ),
  );
  expect(order).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
});

it('lets nobody wait who wants something else, and goes on after a failure', async () => {
  let release!: () => void;
  const held = inTurn(['a'], () => new Promise<void>(resolve => (release = resolve)));
  const failing = inTurn(['a', 'b'], async () => {
    throw new Error('refused');
  });
  const failed = expect(failing).rejects.toThrow('refused');
  expect(await inTurn(['c'], async () => 'free')).toBe('free');
  release();
  await held;
  await failed;
  expect(await inTurn(['a', 'b'], async () => 'on')).toBe('on');
});

it('never has two inside who share a key, and never waits in a ring', async () => {
  const keys = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(fc.array(keys, { maxLength: 30 }), async wishes => {
      const held = new Set<string>();
      const done = await Promise.all(
        wishes.map(wish =>
          inTurn(wish, async () => {
            const mine = new Set(wish);
            for (const key of mine) {
              expect(held.has(key)).toBe(false);
              held.add(key);
            }
            await new Promise(setImmediate);
            for (const key of mine) held.delete(key);
            return true;
          }),
        ),
      );
      expect(done).toHaveLength(wishes.length);
    }),
  );
});

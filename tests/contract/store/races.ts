// Promises about commits that meet.
import { expect } from 'vitest';
import { WriteConflict, type ConflictReason } from '../../../src/storage/store.js';
import { all } from '../../../src/search/plan.js';
import { contains, eq, leaf, text, token, type Promises } from './suite.js';

/** How each ended: 'done', or the reason it was refused. */
async function outcomes(commits: readonly Promise<void>[]): Promise<(ConflictReason | 'done')[]> {
  return Promise.all(
    commits.map(commit =>
      commit.then(
        () => 'done' as const,
        (error: unknown) => {
          if (error instanceof WriteConflict) return error.reason;
          throw error;
        },
      ),
    ),
  );
}
const count = <T>(from: readonly T[], of: T): number => from.filter(one => one === of).length;

export function racePromises(promise: Promises): void {
  promise('lets one of fifty conditional creates through', async world => {
    const plan = world.plan(leaf('token', 'identifier', eq('code', 'i')), { count: 2 });
    const condition = { plan, locks: [world.claim('identifier')], found: [] };
    const ends = await outcomes(
      Array.from({ length: 50 }, () =>
        world.store.commit([world.write(world.ref(), [token('identifier', 'i')], { condition })]),
      ),
    );
    expect(count(ends, 'done')).toBe(1);
    expect(count(ends, 'condition')).toBe(49);
    expect(await world.store.count(world.plan(all))).toBe(1);
  });

  promise(
    'judges criteria of words on what was just written, and forgets the words of what it refused',
    async world => {
      const plan = world.plan(leaf('words', '_content', contains('text', ' once ')), { count: 2 });
      const condition = { plan, locks: [world.claim('words')], found: [] };
      const ends = await outcomes(
        Array.from({ length: 20 }, (_, i) =>
          world.store.commit([
            world.write(world.ref(), [text('_content', `other ${i}`)]),
            world.write(world.ref(), [text('_content', 'once')], { condition }),
          ]),
        ),
      );
      expect(count(ends, 'done')).toBe(1);
      expect(await world.store.count(world.plan(leaf('words', '_content', contains('text', ' once '))))).toBe(
        1,
      );
      expect(
        await world.store.count(world.plan(leaf('words', '_content', contains('text', ' other ')))),
      ).toBe(1);
    },
  );

  promise('lets one of fifty updates of the same version through', async world => {
    const ref = await world.put(world.ref());
    const ends = await outcomes(
      Array.from({ length: 50 }, (_, i) => world.store.commit([world.write(ref, [token('by', String(i))])])),
    );
    expect(count(ends, 'done')).toBe(1);
    expect(count(ends, 'version')).toBe(49);
    expect((await world.store.read(ref))!.version).toBe(2);
    expect(await world.find(leaf('token', 'by', eq('code', String(ends.indexOf('done')))))).toEqual([ref.id]);
  });

  promise('lets either a deletion or an update through', async world => {
    for (let round = 0; round < 10; round++) {
      const ref = await world.put(world.ref(), [token('was', 'x')]);
      const [update, deletion] = [world.write(ref, [token('now', 'y')]), world.deletion(ref)];
      const ends = await outcomes(
        (round % 2 ? [update, deletion] : [deletion, update]).map(write => world.store.commit([write])),
      );
      expect([...ends].sort()).toEqual(['done', 'version']);
      const gone = (await world.store.read(ref))!.body === undefined;
      expect(await world.find(leaf('token', '_id', eq('code', ref.id)))).toEqual(gone ? [] : [ref.id]);
      expect(await world.find(leaf('token', 'was'))).toEqual([]);
    }
  });

  promise('gives a claim to one of fifty', async world => {
    const claim = world.claim('seat');
    const refs = Array.from({ length: 50 }, () => world.ref());
    const ends = await outcomes(
      refs.map(ref => world.store.commit([world.write(ref, [], { claims: [claim] })])),
    );
    expect(count(ends, 'done')).toBe(1);
    expect(count(ends, 'claim')).toBe(49);
    expect(await world.store.claimOwner(claim)).toEqual(refs[ends.indexOf('done')]);
  });

  promise('takes a receipt once from twenty', async world => {
    const key = world.claim('key');
    const ends = await outcomes(
      Array.from({ length: 20 }, (_, i) =>
        world.store.commit([world.write(world.ref())], { key, body: Buffer.from(String(i)) }),
      ),
    );
    expect(count(ends, 'done')).toBe(1);
    expect(count(ends, 'receipt')).toBe(19);
    expect(Buffer.from((await world.store.receipt(key))!).toString()).toBe(String(ends.indexOf('done')));
    expect(await world.store.count(world.plan(all))).toBe(1);
  });

  promise('never mixes two commits that write the same two resources', async world => {
    for (let round = 0; round < 10; round++) {
      const [a, b] = [world.ref(), world.ref()];
      await world.commit(world.write(a), world.write(b));
      const by = (who: string): ReturnType<typeof world.write>[] => [
        world.write(a, [token('by', who)]),
        world.write(b, [token('by', who)]),
      ];
      const ends = await outcomes([world.store.commit(by('one')), world.store.commit(by('two').reverse())]);
      expect([...ends].sort()).toEqual(['done', 'version']);
      expect(
        (await world.store.count(
          world.plan(leaf('token', 'by', eq('code', ends[0] === 'done' ? 'one' : 'two'))),
        )) % 2,
      ).toBe(0);
      expect([(await world.store.read(a))!.version, (await world.store.read(b))!.version]).toEqual([2, 2]);
    }
  });

  promise('never lets a resource require what another deletes at the same moment', async world => {
    for (let round = 0; round < 10; round++) {
      const target = await world.put(world.ref());
      const needing = world.write(world.ref('Observation'), [], { requires: [target] });
      const ends = await outcomes([
        world.store.commit([needing]),
        world.store.commit([world.deletion(target)]),
      ]);
      const both = ends[0] === 'done' && ends[1] === 'done';
      // Both may pass only in the order "needed, then deleted": the reference was good when it was made.
      if (!both) expect(ends).toEqual(['required', 'done']);
    }
  });
}

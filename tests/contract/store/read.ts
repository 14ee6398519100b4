// Promises of read and readMany.
import { expect } from 'vitest';
import { name, sorted, tick, type Promises } from './suite.js';

export function readPromises(promise: Promises): void {
  promise('gives back the exact bytes with version, instant and method', async world => {
    const ref = world.ref();
    const body = Buffer.from('{"resourceType":"Patient", "x":1.00, "name":"Tšepo \u{1f600} \u0000 \\u0041"}');
    const lastUpdated = tick();
    await world.put(ref, [], { body, lastUpdated, method: 'PUT' });
    const version = await world.store.read(ref);
    expect(version).toMatchObject({ ref, version: 1, lastUpdated, method: 'PUT' });
    expect(Buffer.from(version!.body!).equals(body)).toBe(true);
  });

  promise('gives any version by its number, a deletion as a tombstone without body', async world => {
    const ref = world.ref();
    await world.put(ref, [], { body: Buffer.from('{"one":1}') });
    await world.put(ref, [], { body: Buffer.from('{"two":2}'), method: 'PATCH' });
    await world.delete(ref);
    const texts = await Promise.all(
      [1, 2].map(async n => Buffer.from((await world.store.read(ref, n))!.body!).toString()),
    );
    expect(texts).toEqual(['{"one":1}', '{"two":2}']);
    expect(await world.store.read(ref, 2)).toMatchObject({ version: 2, method: 'PATCH' });
    for (const tombstone of [await world.store.read(ref), await world.store.read(ref, 3)]) {
      expect(tombstone).toMatchObject({ ref, version: 3, method: 'DELETE' });
      expect(tombstone).not.toHaveProperty('body');
    }
    expect(await world.store.read(ref, 4)).toBeUndefined();
    expect(await world.store.read(ref, 0)).toBeUndefined();
  });

  promise('knows nothing of what was never written', async world => {
    const ref = await world.put(world.ref());
    expect(await world.store.read(world.ref())).toBeUndefined();
    expect(await world.store.read({ type: 'Group', id: ref.id })).toBeUndefined();
    expect(await world.store.read({ type: 'NoSuchTypeEver', id: 'x' })).toBeUndefined();
    expect(await world.store.read({ type: 'NoSuchTypeEver', id: 'x' }, 1)).toBeUndefined();
  });

  promise('tells ids apart that differ in case only', async world => {
    const lower = { type: 'Patient', id: `${world.tag}-a` };
    const upper = { type: 'Patient', id: `${world.tag}-A` };
    await world.put(lower, [], { body: Buffer.from('"lower"') });
    await world.put(upper, [], { body: Buffer.from('"upper"') });
    expect(Buffer.from((await world.store.read(lower))!.body!).toString()).toBe('"lower"');
    expect(Buffer.from((await world.store.read(upper))!.body!).toString()).toBe('"upper"');
  });

  promise('readMany gives the current of several, without the deleted and the unknown', async world => {
    const [a, b, gone] = [world.ref(), world.ref('Observation'), world.ref()];
    await world.commit(world.write(a), world.write(b), world.write(gone));
    await world.put(b);
    await world.delete(gone);
    const many = await world.store.readMany([a, b, gone, world.ref(), { type: 'NoSuchTypeEver', id: 'x' }]);
    expect(sorted(many.map(version => `${name(version.ref)} ${version.version}`))).toEqual(
      sorted([`${name(a)} 1`, `${name(b)} 2`]),
    );
    expect(many.every(version => version.body !== undefined)).toBe(true);
    expect(await world.store.readMany([])).toEqual([]);
  });

  promise('ping answers', async world => {
    await expect(world.store.ping()).resolves.toBeUndefined();
  });
}

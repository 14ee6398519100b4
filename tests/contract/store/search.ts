// Promises of search and count about the tree: nodes, links, types, totals, and rows that nobody writes.
import { expect } from 'vitest';
import { all, none, not, or, and, type Node } from '../../../src/search/plan.js';
import {
  contains,
  date,
  desc,
  eq,
  found,
  ids,
  leaf,
  number,
  oneOf,
  prefix,
  range,
  reference,
  string,
  text,
  tick,
  token,
  uri,
  type Promises,
  type World,
} from './suite.js';

export function searchPromises(promise: Promises): void {
  promise('explains a search by what it asks the database, and finds as many', async world => {
    const [a, b, o] = [world.ref(), world.ref(), world.ref('Observation')];
    await world.commit(
      world.write(a, [token('t', 'x'), string('s', 'One'), text('_content', 'some words')]),
      world.write(b, [token('t', 'x'), date('d', 5)]),
      world.write(o, [reference('subject', a)]),
    );
    const nodes: Node[] = [
      all,
      leaf('token', 't', eq('code', 'x')),
      and(leaf('token', 't', eq('code', 'x')), not(leaf('date', 'd', range('lo', { ge: 1 })))),
      leaf('words', '_content', contains('text', ' some words ')),
      { op: 'backlink', type: 'Observation', param: 'subject', node: all },
    ];
    for (const node of nodes) {
      for (const sort of [[], [desc('d', 'date')]]) {
        const plan = world.plan(node, { sort });
        const { found: many, milliseconds, steps } = await world.store.explain(plan);
        expect(many).toBe((await world.store.search(plan)).versions.length);
        expect(milliseconds).toBeGreaterThanOrEqual(0);
        expect(steps.length).toBeGreaterThan(0);
        for (const step of steps) {
          expect(step.asked).not.toBe('');
          expect(step.times).toBeGreaterThan(0);
          expect(step.examined ?? 0).toBeGreaterThanOrEqual(0);
        }
      }
    }
    expect((await world.store.explain(world.plan(leaf('token', 'never', eq('code', 'x'))))).found).toBe(0);
  });

  promise('knows whether there is a row at all', async world => {
    const [a, b] = [world.ref(), world.ref()];
    await world.put(a, [
      token('t', 'x'),
      string('s', 'x'),
      date('d', 1),
      number('n', 1),
      uri('u', 'x'),
      reference('r', 'Group/1'),
    ]);
    await world.put(b);
    for (const [kind, param] of [
      ['token', 't'],
      ['string', 's'],
      ['date', 'd'],
      ['number', 'n'],
      ['uri', 'u'],
      ['reference', 'r'],
    ] as const) {
      expect(await found(world, leaf(kind, param))).toEqual(ids(a));
      expect(await found(world, not(leaf(kind, param)))).toEqual(ids(b));
    }
    // The kind belongs to the row: another kind of the same name is another parameter.
    expect(await found(world, leaf('string', 't'))).toEqual([]);
  });

  promise('knows the rows nobody writes: type, id and lastUpdated', async world => {
    const since = tick();
    const [a, b, o] = [world.ref(), world.ref(), world.ref('Observation')];
    await world.put(a);
    const between = tick();
    await world.put(b);
    await world.put(o);
    expect(await found(world, leaf('token', '_id', eq('code', b.id)))).toEqual(ids(b));
    expect(await found(world, leaf('token', '_id', oneOf('code', b.id, a.id, o.id)))).toEqual(ids(a, b));
    expect(await found(world, not(leaf('token', '_id', eq('code', b.id))))).toEqual(ids(a));
    expect(
      await found(world, leaf('token', '_type', eq('code', 'Observation')), ['Patient', 'Observation']),
    ).toEqual(ids(o));
    expect(
      await found(world, leaf('date', '_lastUpdated', range('lo', { ge: between })), [
        'Patient',
        'Observation',
      ]),
    ).toEqual(ids(b, o));
    expect(
      await found(
        world,
        leaf('date', '_lastUpdated', range('lo', { ge: since }), range('hi', { lt: between })),
      ),
    ).toEqual(ids(a));
    expect(await found(world, leaf('token', '_id'))).toEqual(ids(a, b));
    expect(await found(world, leaf('date', '_lastUpdated'))).toEqual(ids(a, b));
    await world.put(a);
    expect(await found(world, leaf('date', '_lastUpdated', range('lo', { ge: between })))).toEqual(ids(a, b));
  });

  promise('joins conditions: one leaf is for one row, and may use several', async world => {
    const [a, b] = [world.ref(), world.ref()];
    await world.put(a, [token('code', 'x', 'urn:1', 1), token('code', 'y', 'urn:2', 2), token('flag', 'on')]);
    await world.put(b, [token('code', 'x', 'urn:2')]);
    const x = leaf('token', 'code', eq('code', 'x'));
    const two = leaf('token', 'code', eq('system', 'urn:2'));
    expect(await found(world, and(x, two))).toEqual(ids(a, b));
    expect(await found(world, leaf('token', 'code', eq('code', 'x'), eq('system', 'urn:2')))).toEqual(ids(b));
    expect(await found(world, and(x, not(leaf('token', 'flag', eq('code', 'on')))))).toEqual(ids(b));
    expect(
      await found(
        world,
        or(leaf('token', 'flag', eq('code', 'on')), leaf('token', 'code', eq('code', 'nope'))),
      ),
    ).toEqual(ids(a));
    expect(await found(world, not(or(leaf('token', 'flag', eq('code', 'on')), two)))).toEqual([]);
    expect(await found(world, or(and(x, two), leaf('string', 'none')))).toEqual(ids(a, b));
    expect(await found(world, all)).toEqual(ids(a, b));
    expect(await found(world, none)).toEqual([]);
    expect((await world.store.search({ ...world.plan(all), where: none })).versions).toEqual([]);
  });

  promise('follows chains and reverse chains, nested and negated', async world => {
    const [org, other] = [world.ref('Organization'), world.ref('Organization')];
    const [anna, bert, gone] = [world.ref(), world.ref(), world.ref()];
    const [o1, o2, o3, o4] = Array.from({ length: 4 }, () => world.ref('Observation')) as [
      ReturnType<World['ref']>,
      ...ReturnType<World['ref']>[],
    ];
    await world.commit(
      world.write(org, [string('name', 'Clinic')]),
      world.write(other, [string('name', 'Hospital')]),
      world.write(anna, [reference('organization', org), token('gender', 'female')]),
      world.write(bert, [reference('organization', other), token('gender', 'male')]),
      world.write(gone, [reference('organization', org), token('gender', 'female')]),
      world.write(o1, [reference('subject', anna), token('code', 'a')]),
      world.write(o2!, [reference('subject', bert), token('code', 'a')]),
      world.write(o3!, [reference('subject', gone), token('code', 'b')]),
      world.write(o4!, [reference('subject', org), token('code', 'b')]),
    );
    await world.delete(gone);
    const o = ['Observation'];
    const female = leaf('token', 'gender', eq('code', 'female'));
    const link = (param: string, types: string[], node: Node): Node => ({ op: 'link', param, types, node });
    const back = (type: string, param: string, node: Node): Node => ({ op: 'backlink', type, param, node });
    expect(await found(world, link('subject', ['Patient'], female), o)).toEqual(ids(o1));
    // The deleted target is none, negated or not.
    expect(await found(world, not(link('subject', ['Patient'], female)), o)).toEqual(ids(o2!, o3!, o4!));
    expect(await found(world, link('subject', ['Patient'], not(female)), o)).toEqual(ids(o2!));
    expect(await found(world, link('subject', ['Patient'], all), o)).toEqual(ids(o1, o2!));
    expect(await found(world, link('subject', ['Patient', 'Organization'], all), o)).toEqual(
      ids(o1, o2!, o4!),
    );
    expect(await found(world, link('subject', ['Group'], all), o)).toEqual([]);
    const clinic = link('organization', ['Organization'], leaf('string', 'name', prefix('value', 'cli')));
    expect(await found(world, link('subject', ['Patient'], clinic), o)).toEqual(ids(o1));
    expect(
      await found(
        world,
        and(link('subject', ['Patient'], clinic), leaf('token', 'code', eq('code', 'b'))),
        o,
      ),
    ).toEqual([]);
    expect(
      await found(world, back('Observation', 'subject', leaf('token', 'code', eq('code', 'a')))),
    ).toEqual(ids(anna, bert));
    expect(
      await found(world, not(back('Observation', 'subject', leaf('token', 'code', eq('code', 'a'))))),
    ).toEqual([]);
    expect(
      await found(world, back('Observation', 'subject', leaf('token', 'code', eq('code', 'b'))), [
        'Organization',
      ]),
    ).toEqual(ids(org));
    expect(await found(world, back('Patient', 'organization', back('Observation', 'subject', leaf('token', 'code', eq('code', 'a')))), ['Organization'])).toEqual(ids(org, other)); // prettier-ignore
    expect(
      await found(
        world,
        back('Patient', 'organization', and(female, not(back('Observation', 'subject', all)))),
        ['Organization'],
      ),
    ).toEqual([]);
    expect(await found(world, link('subject', ['Patient'], back('Observation', 'subject', all)), o)).toEqual(
      ids(o1, o2!),
    );
    expect(
      await found(world, link('subject', ['Patient'], leaf('token', '_id', eq('code', anna.id))), o),
    ).toEqual(ids(o1));
    await world.delete(o1);
    expect(
      await found(world, back('Observation', 'subject', leaf('token', 'code', eq('code', 'a')))),
    ).toEqual(ids(bert));
  });

  promise('searches several types at once, in order of creation', async world => {
    const refs = Array.from({ length: 12 }, (_, i) =>
      world.ref(['Patient', 'Observation', 'Organization'][i % 3]),
    );
    for (const ref of refs) await world.put(ref, [token('even', String(refs.indexOf(ref) % 2))]);
    const types = ['Organization', 'Patient', 'Observation', 'NoSuchTypeEver'];
    expect(await found(world, all, types)).toEqual(ids(...refs));
    expect(await world.find(all, { types, count: 5 })).toEqual(ids(...refs));
    expect(await found(world, leaf('token', 'even', eq('code', '1')), types)).toEqual(
      ids(...refs.filter((_, i) => i % 2)),
    );
    expect(await found(world, leaf('token', 'even', eq('code', '1')), ['NoSuchTypeEver'])).toEqual([]);
  });

  promise('does not find what was deleted, nor by what it was before', async world => {
    const [a, b] = [world.ref(), world.ref()];
    await world.put(a, [
      token('t', '1'),
      string('s', 'one'),
      date('d', 1),
      number('n', 1),
      uri('u', 'one'),
      reference('r', 'Group/1'),
    ]);
    await world.put(b, [token('t', '1')]);
    await world.put(a, [
      token('t', '2'),
      string('s', 'two'),
      date('d', 2),
      number('n', 2),
      uri('u', 'two'),
      reference('r', 'Group/2'),
    ]);
    const old: Node[] = [leaf('string', 's', eq('value', 'one')), leaf('date', 'd', range('lo', { le: 1 })), leaf('number', 'n', range('lo', { le: 1 })), leaf('uri', 'u', eq('value', 'one')), leaf('reference', 'r', eq('target', 'Group/1'))]; // prettier-ignore
    for (const node of old) expect(await found(world, node)).toEqual([]);
    expect(await found(world, leaf('token', 't', eq('code', '1')))).toEqual(ids(b));
    expect(await found(world, leaf('date', 'd', range('lo', { ge: 2 })))).toEqual(ids(a));
    await world.delete(a);
    expect(await found(world, all)).toEqual(ids(b));
    for (const kind of ['string', 'date'] as const)
      expect(await found(world, leaf(kind, kind[0]!))).toEqual([]);
    expect(await found(world, leaf('token', '_id', eq('code', a.id)))).toEqual([]);
  });

  promise('counts with the page where asked to', async world => {
    for (let i = 0; i < 7; i++) await world.put(world.ref(), [token('t', 'x')]);
    const where = leaf('token', 't', eq('code', 'x'));
    const search = (more: object): ReturnType<typeof world.store.search> =>
      world.store.search(world.plan(where, more));
    expect(await search({ count: 3 })).not.toHaveProperty('total');
    const page = await search({ count: 3, total: 'accurate' });
    expect(page.versions).toHaveLength(3);
    expect(page.total).toBe(7);
    expect((await search({ count: 3, total: 'accurate', after: page.next! })).total).toBe(7);
    expect((await search({ count: 0, total: 'accurate' })).total).toBe(7);
    expect((await search({ count: 0, total: 'accurate' })).versions).toEqual([]);
    const estimate = await search({ count: 3, total: 'estimate' });
    expect(estimate.total!).toBeLessThanOrEqual(7);
    expect(estimate.total === 7 || estimate.totalIsEstimate).toBe(true);
    expect((await search({ count: 7 })).next).toBeUndefined();
    expect(await world.store.count(world.plan(where, { count: 1 }))).toBe(7);
  });
}

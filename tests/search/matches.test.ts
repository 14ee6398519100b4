// The plan's tree in memory: logic, laziness, links. What leaves mean is in the cases.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matches, refersTo, type Indexed, type Resolve } from '../../src/search/matches.js';
import { and, not, or, type Leaf, type Node } from '../../src/search/plan.js';

const code = (param: string, value: string): Leaf => ({
  op: 'row',
  kind: 'token',
  param,
  where: [{ column: 'code', is: 'eq', value }],
});
const has = (...values: readonly string[]): Indexed => ({
  ref: { type: 'Patient', id: values.join('-') || 'none' },
  lastUpdated: 0,
  rows: values.map(value => ({ kind: 'token', param: 'x', system: '', code: value })),
});
const nobody: Resolve = {
  target: () => expect.fail('a target was asked for'),
  referrers: () => expect.fail('referrers were asked for'),
};

describe('matches', () => {
  it('answers at once where no link has to be followed', () => {
    expect(matches(and(code('x', 'a'), not(code('x', 'b'))), has('a'), nobody)).toBe(true);
    expect(matches(and(code('x', 'a'), not(code('x', 'b'))), has('a', 'b'), nobody)).toBe(false);
  });

  it('follows no link where the rest decides', () => {
    const link: Node = { op: 'link', param: 'r', types: ['Patient'], node: code('x', 'a') };
    expect(matches({ op: 'and', nodes: [link, code('x', 'z')] }, has('a'), nobody)).toBe(false);
    expect(matches({ op: 'or', nodes: [link, code('x', 'a')] }, has('a'), nobody)).toBe(true);
  });

  it('is logic', () => {
    const truth = fc.letrec<{ node: Node }>(tie => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('a', 'b', 'c').map(value => code('x', value) as Node),
        fc.array(tie('node'), { maxLength: 3 }).map(nodes => and(...nodes)),
        fc.array(tie('node'), { maxLength: 3 }).map(nodes => or(...nodes)),
        tie('node').map(not),
      ),
    })).node;
    const naive = (node: Node, values: readonly string[]): boolean => {
      switch (node.op) {
        case 'and':
          return node.nodes.every(one => naive(one, values));
        case 'or':
          return node.nodes.some(one => naive(one, values));
        case 'not':
          return !naive(node.node, values);
        case 'row':
          return node.where.some(condition => condition.is === 'eq' && values.includes(condition.value));
        default:
          return node.op === 'all';
      }
    };
    fc.assert(
      fc.property(truth, fc.subarray(['a', 'b', 'c']), (node, values) => {
        expect(matches(node, has(...values), nobody)).toBe(naive(node, values));
      }),
    );
  });

  it('follows links to current resources of the types named', async () => {
    const reference = (target: string): Indexed => ({
      ref: { type: 'Observation', id: 'o' },
      lastUpdated: 0,
      rows: [{ kind: 'reference', param: 'r', target, version: '' }],
    });
    const known: Record<string, Indexed> = { 'Patient/a': has('a') };
    const resolve: Resolve = { ...nobody, target: ref => Promise.resolve(known[`${ref.type}/${ref.id}`]) };
    const link: Node = { op: 'link', param: 'r', types: ['Patient'], node: code('x', 'a') };
    expect(await matches(link, reference('Patient/a'), resolve)).toBe(true);
    expect(await matches(link, reference('Patient/b'), resolve)).toBe(false);
    expect(await matches(not(link), reference('Patient/b'), resolve)).toBe(true);
    expect(await matches(link, reference('Group/a'), nobody)).toBe(false);
    expect(await matches(link, reference('http://elsewhere.org/Patient/a'), nobody)).toBe(false);
    expect(await matches({ ...link, param: 's' }, reference('Patient/a'), nobody)).toBe(false);
  });

  it('follows links back', async () => {
    const referrer: Indexed = {
      ref: { type: 'Observation', id: 'o' },
      lastUpdated: 0,
      rows: [
        { kind: 'token', param: 'x', system: '', code: 'a' },
        { kind: 'reference', param: 'r', target: 'Patient/a', version: '' },
      ],
    };
    const resolve: Resolve = {
      ...nobody,
      referrers: (type, param, ref) =>
        [referrer].filter(one => one.ref.type === type && refersTo(one, param, ref)),
    };
    const backlink: Node = { op: 'backlink', type: 'Observation', param: 'r', node: code('x', 'a') };
    expect(await matches(backlink, has('a'), resolve)).toBe(true);
    expect(await matches(backlink, has('b'), resolve)).toBe(false);
    expect(await matches({ ...backlink, node: code('x', 'b') }, has('a'), resolve)).toBe(false);
  });

  it('calls a plan wrong that asks for a column the rows do not have', () => {
    const wrong: Leaf = {
      op: 'row',
      kind: 'token',
      param: 'x',
      where: [{ column: 'value', is: 'eq', value: 'a' }],
    };
    expect(() => matches(wrong, has('a'), nobody)).toThrowError('A token row has no column value');
  });
});

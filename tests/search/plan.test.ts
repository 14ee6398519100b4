// The plan's own algebra: what `and` leaves out says nothing that the rest does not say.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matches, type Resolve } from '../../src/search/matches.js';
import { all, and, none, not, or, type Leaf, type Node } from '../../src/search/plan.js';

const leaf = (code: string): Leaf => ({
  op: 'row',
  kind: 'token',
  param: 'p',
  where: [{ column: 'code', is: 'eq', value: code }],
});
const [a, b, c] = ['a', 'b', 'c'].map(leaf) as [Leaf, Leaf, Leaf];
const link = (node: Node): Node => ({ op: 'link', param: 'r', types: ['Patient'], node });

describe('and', () => {
  it('says nothing twice', () => {
    expect(and(a, leaf('a'))).toEqual(a);
    expect(and(or(a, b), or(leaf('a'), leaf('b')), c)).toEqual({ op: 'and', nodes: [or(a, b), c] });
    expect(and(not(a), not(leaf('a')))).toEqual(not(a));
  });

  it('leaves out alternatives one of which holds anyway', () => {
    expect(and(a, or(leaf('b'), leaf('a')))).toEqual(a);
    expect(and(or(b, a), c, a)).toEqual({ op: 'and', nodes: [c, a] });
    expect(and(or(a, b), or(or(a, b), c), a)).toEqual(a);
  });

  it('keeps what differs, and chains that are only written alike', () => {
    expect(and(a, b)).toEqual({ op: 'and', nodes: [a, b] });
    expect(and(a, { ...a, kind: 'uri' })).toMatchObject({ op: 'and' });
    expect(and(a, { ...a, param: 'q' })).toMatchObject({ op: 'and' });
    expect(and(a, { ...a, where: [] })).toMatchObject({ op: 'and' });
    expect(and(not(a), or(a, b))).toMatchObject({ op: 'and' });
    expect(and(link(a), link(a))).toMatchObject({ op: 'and' });
    expect(and(a, or(and(a, b), c))).toMatchObject({ op: 'and' });
  });

  it('holds as its parts do', () => {
    const node = fc.letrec<{ node: Node }>(tie => ({
      node: fc.oneof(
        { maxDepth: 3 },
        fc.constantFrom<Node>(a, b, c, leaf('a'), all, none),
        fc.array(tie('node'), { maxLength: 3 }).map(nodes => or(...nodes)),
        fc.array(tie('node'), { maxLength: 3 }).map(nodes => and(...nodes)),
        tie('node').map(not),
      ),
    })).node;
    const resolve: Resolve = { target: () => undefined, referrers: () => [] };
    fc.assert(
      fc.property(fc.array(node, { maxLength: 5 }), fc.subarray(['a', 'b', 'c']), (nodes, codes) => {
        const self = {
          ref: { type: 'Patient', id: '1' },
          lastUpdated: 0,
          rows: codes.map(code => ({ kind: 'token', param: 'p', system: '', code }) as const),
        };
        expect(matches(and(...nodes), self, resolve)).toBe(
          nodes.every(one => matches(one, self, resolve) === true),
        );
      }),
      { numRuns: 2000 },
    );
  });
});

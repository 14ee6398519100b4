// RFC 6902, its appendix A as the official cases have it, and the ways a hostile patch could hurt.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../../src/errors.js';
import { maxDepth, parseJson, writeJson, type Json } from '../../../src/fhir/json.js';
import { jsonPatch } from '../../../src/fhir/patch/json-patch.js';
import { sameJson } from '../../../src/fhir/same.js';

const run = (document: string, patch: string): string =>
  writeJson(jsonPatch(parseJson(document), parseJson(patch) as Json[]));
const refusal = (document: string, patch: string): FhirError => {
  try {
    run(document, patch);
  } catch (error) {
    if (error instanceof FhirError) return error;
    throw error;
  }
  throw new Error('the patch was applied');
};

const official = fileURLToPath(
  new URL('../../../../shared/data/fhir-test-cases/r4/patch/json-patch-tests.json', import.meta.url),
);
describe.skipIf(!existsSync(official))(`official cases (need ${official})`, () => {
  interface Case {
    comment: string;
    doc: Json;
    patch: Json[];
    expected?: Json;
  }
  const cases = existsSync(official) ? (parseJson(readFileSync(official)) as unknown as Case[]) : [];
  it('are all there', () => expect(cases.length).toBe(16));
  it.each(cases.map(one => [one.comment, one] as const))('%s', (_, { doc, patch, expected }) => {
    if (expected === undefined) expect(() => jsonPatch(doc, patch)).toThrow(FhirError);
    else expect(sameJson(jsonPatch(doc, patch), expected, 'lexeme')).toBe(true);
  });
});

describe('operations', () => {
  it.each([
    ['add replaces what is there', '{"a":1}', '[{"op":"add","path":"/a","value":2}]', '{"a":2}'],
    ['add before an item', '{"a":[1,2]}', '[{"op":"add","path":"/a/0","value":0}]', '{"a":[0,1,2]}'],
    ['add at the index after the last', '{"a":[1]}', '[{"op":"add","path":"/a/1","value":2}]', '{"a":[1,2]}'],
    ['add at "-"', '{"a":[1]}', '[{"op":"add","path":"/a/-","value":2}]', '{"a":[1,2]}'],
    ['add the whole document', '{"a":1}', '[{"op":"add","path":"","value":{"b":2}}]', '{"b":2}'],
    ['replace the whole document', '{"a":1}', '[{"op":"replace","path":"","value":[]}]', '[]'],
    ['replace with null', '{"a":[1,2]}', '[{"op":"replace","path":"/a/1","value":null}]', '{"a":[1,null]}'],
    ['an empty name', '{"":1}', '[{"op":"replace","path":"/","value":2}]', '{"":2}'],
    ['escapes', '{"a/b":1,"m~n":2}', '[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"}]', '{}'],
    ['move within a list', '{"a":[1,2,3]}', '[{"op":"move","from":"/a/2","path":"/a/0"}]', '{"a":[3,1,2]}'],
    ['move to its own place', '{"a":{"b":1}}', '[{"op":"move","from":"/a","path":"/a"}]', '{"a":{"b":1}}'],
    [
      'move to a neighbour with a like name',
      '{"a":1}',
      '[{"op":"move","from":"/a","path":"/ab"}]',
      '{"ab":1}',
    ],
    [
      'a copy is its own',
      '{"a":{"x":1}}',
      '[{"op":"copy","from":"/a","path":"/b"},{"op":"add","path":"/b/x","value":2}]',
      '{"a":{"x":1},"b":{"x":2}}',
    ],
    [
      'a list member named by a number in an object',
      '{"0":"a"}',
      '[{"op":"replace","path":"/0","value":"b"}]',
      '{"0":"b"}',
    ],
    ['no operation', '{"a":1}', '[]', '{"a":1}'],
    [
      'keeps lexemes it touches and those it does not',
      '{"a":1.00,"b":[2.50]}',
      '[{"op":"move","from":"/b/0","path":"/c"},{"op":"add","path":"/b/-","value":3.0}]',
      '{"a":1.00,"b":[3.0],"c":2.50}',
    ],
  ])('%s', (_, document, patch, expected) => {
    expect(run(document, patch)).toBe(expected);
  });

  it('test compares deeply, numbers by value, properties in any order', () => {
    const document = '{"a":{"n":1.00,"l":[1,{"x":null}],"s":"1"}}';
    expect(run(document, '[{"op":"test","path":"/a","value":{"s":"1","l":[1.0,{"x":null}],"n":1}}]')).toBe(
      document,
    );
    expect(refusal(document, '[{"op":"test","path":"/a/s","value":1}]').code).toBe('business-rule');
    expect(refusal(document, '[{"op":"test","path":"/a/l","value":[{"x":null},1]}]').code).toBe(
      'business-rule',
    );
  });

  it('changes neither the document nor the patch, so that it can be applied again', () => {
    const document = parseJson('{"a":{"b":[1.0]}}');
    const patch = parseJson(
      '[{"op":"add","path":"/c","value":{"d":[]}},{"op":"add","path":"/c/d/-","value":1},{"op":"remove","path":"/a/b/0"}]',
    ) as Json[];
    const first = writeJson(jsonPatch(document, patch));
    expect(first).toBe('{"a":{"b":[]},"c":{"d":[1]}}');
    expect(writeJson(jsonPatch(document, patch))).toBe(first);
    expect(writeJson(document)).toBe('{"a":{"b":[1.0]}}');
  });
});

describe('refusals', () => {
  it.each([
    ['a missing parent', '{}', '[{"op":"add","path":"/a/b","value":1}]'],
    ['a missing target of remove', '{}', '[{"op":"remove","path":"/a"}]'],
    ['a missing target of replace', '{}', '[{"op":"replace","path":"/a","value":1}]'],
    ['a missing target of test', '{}', '[{"op":"test","path":"/a","value":1}]'],
    ['a missing source', '{}', '[{"op":"move","from":"/a","path":"/b"}]'],
    ['an index past the end', '{"a":[1]}', '[{"op":"add","path":"/a/2","value":1}]'],
    ['an index of the end for remove', '{"a":[1]}', '[{"op":"remove","path":"/a/1"}]'],
    ['"-" for replace', '{"a":[1]}', '[{"op":"replace","path":"/a/-","value":1}]'],
    ['a leading zero', '{"a":[1,2]}', '[{"op":"remove","path":"/a/01"}]'],
    ['a negative index', '{"a":[1]}', '[{"op":"remove","path":"/a/-1"}]'],
    ['a name in a list', '{"a":[1]}', '[{"op":"add","path":"/a/length","value":0}]'],
    ['a step into a string', '{"a":"xyz"}', '[{"op":"replace","path":"/a/0","value":"q"}]'],
    ['a step into a decimal', '{"a":1.00}', '[{"op":"replace","path":"/a/lexeme","value":"q"}]'],
    ['a move into itself', '{"a":{"b":{}}}', '[{"op":"move","from":"/a","path":"/a/b/c"}]'],
    ['a move of everything', '{"a":{}}', '[{"op":"move","from":"","path":"/a"}]'],
    ['removing everything', '{"a":1}', '[{"op":"remove","path":""}]'],
    ['what only the prototype has', '{}', '[{"op":"test","path":"/constructor","value":1}]'],
    ['reaching the prototype', '{}', '[{"op":"add","path":"/__proto__/x","value":1}]'],
    ['setting the prototype', '{}', '[{"op":"add","path":"/__proto__","value":{"x":1}}]'],
  ])('%s does not apply: 422', (_, document, patch) => {
    const error = refusal(document, patch);
    expect([error.code, error.status]).toEqual(['business-rule', 422]);
    expect(error.message).toMatch(/^Operation 1 of the patch \(.+\) cannot be applied: .+\.$/);
  });

  it.each([
    ['not an object', '["add"]'],
    ['no op', '[{"path":"/a"}]'],
    ['an unknown op', '[{"op":"merge","path":"/a","value":1}]'],
    ['no path', '[{"op":"remove"}]'],
    ['a path that is no pointer', '[{"op":"remove","path":"a"}]'],
    ['a wrong escape', '[{"op":"remove","path":"/a~2"}]'],
    ['no value', '[{"op":"add","path":"/a"}]'],
    ['no from', '[{"op":"copy","path":"/a"}]'],
    ['a second operation that is malformed', '[{"op":"remove","path":"/missing"},{}]'],
  ])('%s is malformed: 400', (_, patch) => {
    const error = refusal('{"a":1}', patch);
    expect([error.code, error.status]).toEqual(['structure', 400]);
  });

  it('names the operation', () => {
    expect(
      refusal('{"a":[1]}', '[{"op":"test","path":"/a/0","value":1},{"op":"remove","path":"/a/3"}]').message,
    ).toBe('Operation 2 of the patch (remove "/a/3") cannot be applied: the list has only 1 items, no 3.');
  });
});

describe('a hostile patch', () => {
  it('cannot double the document without end', () => {
    const copies = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '', path: `/x${i}` }));
    expect(refusal('{"a":"some text"}', JSON.stringify(copies)).status).toBe(413);
  });
  it('cannot nest without end', () => {
    const value = JSON.parse(`${'['.repeat(150)}${']'.repeat(150)}`) as unknown;
    const adds = Array.from({ length: 100 }, (_, i) => ({
      op: 'add',
      path: `${'/0'.repeat(i * 150)}/-`,
      value,
    }));
    expect(refusal('[]', JSON.stringify(adds)).status).toBe(413);
    const moves = [
      { op: 'add', path: '/a', value },
      { op: 'add', path: '/b', value },
      { op: 'move', from: '/a', path: `/b${'/0'.repeat(149)}/-` },
    ];
    expect(refusal('{}', JSON.stringify(moves)).status).toBe(413);
  });
  it(`may use all ${maxDepth} levels`, () => {
    const value = JSON.parse(`${'['.repeat(maxDepth - 1)}${']'.repeat(maxDepth - 1)}`) as unknown;
    expect(run('{}', JSON.stringify([{ op: 'add', path: '/a', value }]))).toContain('[[[');
  });
});

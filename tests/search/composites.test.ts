// Every composite parameter of R4, on every type that has it, through every engine: found by its values, and not by any
// other. https://hl7.org/fhir/R4/search.html#composite. Resources are made from the parameters' own paths.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resourceTypes } from '../../src/fhir/definitions.js';
import type { Json } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { parametersOf, type Parameter } from '../../src/search/parameters.js';
import type { TypedPath } from '../../src/search/extract/typed-path.js';
import { searchTypes } from '../../src/search/types/all.js';
import { requestOf, writesOf, type CaseFile } from './cases.js';
import { engines } from './engines.js';
import type { Engine } from './memory.js';

const ucum = 'http://unitsofmeasure.org';

/** By element type: a value, what finds it, and what does not. */
const samples: Readonly<Record<string, { value: Json; hit: string; miss: string }>> = {
  code: { value: 'replaces', hit: 'replaces', miss: 'signs' },
  Coding: { value: { system: 'http://s.org', code: 'c' }, hit: 'http://s.org|c', miss: 'http://s.org|d' },
  CodeableConcept: {
    value: { coding: [{ system: 'http://s.org', code: 'v' }, { code: 'w' }] },
    hit: 'http://s.org|v',
    miss: 'http://s.org|w',
  },
  boolean: { value: true, hit: 'true', miss: 'false' },
  Quantity: {
    value: { value: 500, system: ucum, code: 'mg' },
    hit: `0.5|${ucum}|g`,
    miss: `0.6|${ucum}|g`,
  },
  Range: {
    value: { low: { value: 2, system: ucum, code: 'h' }, high: { value: 4, system: ucum, code: 'h' } },
    hit: `gt180|${ucum}|min`,
    miss: `gt240|${ucum}|min`,
  },
  string: { value: 'Abc def', hit: 'abc', miss: 'def' },
  integer: { value: 7, hit: 'ge7', miss: 'gt7' },
  dateTime: { value: '2020-02-01', hit: '2020-02', miss: '2021' },
  Period: { value: { start: '2020-01-01', end: '2020-03-01' }, hit: 'sa2019', miss: 'sa2020-06' },
  Reference: {
    value: { reference: 'DocumentReference/x' },
    hit: 'DocumentReference/x',
    miss: 'DocumentReference/y',
  },
};

interface Example {
  readonly type: string;
  readonly code: string;
  readonly resource: Resource;
  readonly hit: string;
  readonly misses: readonly string[];
}

/** Puts the value where the path leads. */
function put(into: Record<string, Json>, { moves }: TypedPath, value: Json): void {
  const properties = moves.flatMap(move => (move.move === 'get' ? [move.property] : []));
  let at = into;
  for (const property of properties.slice(0, -1)) at = (at[property] ??= {}) as Record<string, Json>;
  at[properties.at(-1)!] = value;
}

/** A resource per place of the tuples and per combination of the types its components may have. */
function examples(type: string, { code, tuples, components: parameters }: Parameter): Example[] {
  return tuples.flatMap(({ base, components }, place) => {
    let combinations: (readonly TypedPath[])[] = [[]];
    for (const [n, paths] of components.entries()) {
      // Group's `value` is a token, though the element may be a quantity or a reference.
      const { index } = searchTypes[parameters[n]!.type]!;
      const indexed = paths.filter(path => index[path.type] !== undefined);
      combinations = combinations.flatMap(chosen => indexed.map(path => [...chosen, path]));
    }
    return combinations.map((paths, i): Example => {
      const resource: Record<string, Json> = {};
      const element: Record<string, Json> = base.moves.length === 0 ? resource : {};
      if (element !== resource) put(resource, base, element);
      for (const path of paths) {
        const into = path.moves[0]?.move === 'resource' ? resource : element;
        put(into, path, samples[path.type]!.value);
      }
      const values = paths.map(path => samples[path.type]!);
      return {
        type,
        code,
        resource: { resourceType: type, id: `${code}-${place}-${i}`, ...resource },
        hit: values.map(one => one.hit).join('$'),
        misses: values.map((_, wrong) =>
          values.map((one, n) => (n === wrong ? one.miss : one.hit)).join('$'),
        ),
      };
    });
  });
}

const all = [...resourceTypes()].flatMap(type =>
  [...parametersOf(type).values()]
    .filter(parameter => parameter.type === 'composite')
    .flatMap(parameter => examples(type, parameter)),
);
const file: CaseFile = {
  name: 'composites',
  section: '',
  zone: 'UTC',
  given: all.map(example => example.resource),
  cases: [],
};

it('has examples of every composite of R4', () => {
  const urls = new Set(
    [...resourceTypes()].flatMap(type =>
      [...parametersOf(type).values()].filter(one => one.type === 'composite').map(one => one.url),
    ),
  );
  expect(urls.size).toBe(46);
  expect(new Set(all.map(one => `${one.type}.${one.code}`)).size).toBe(72);
});

for (const { name, skip, open } of engines) {
  describe.skipIf(skip !== undefined)(skip === undefined ? name : `${name} (${skip})`, () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await open();
      await engine.commit(writesOf(file));
    });
    afterAll(() => engine.close());

    it.each(all)('$type?$code finds $resource.id by $hit and not by $misses', async one => {
      const find = async (value: string): Promise<string[]> => {
        const query = `${one.type}?${one.code}=${encodeURIComponent(value)}`;
        const page = await engine.search(requestOf({ query }, file).plan);
        return page.versions.map(version => version.ref.id);
      };
      expect(await find(one.hit)).toContain(one.resource['id']);
      for (const miss of one.misses) expect(await find(miss), miss).not.toContain(one.resource['id']);
    });
  });
}

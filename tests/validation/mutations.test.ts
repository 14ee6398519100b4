// One change at every place of real resources: the compiled validators (yes or no) and the walk that finds the words
// must agree on each, and a change that is wrong everywhere must be found where it was made.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { isObject, parseJson, type Json, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { explain } from '../../src/validation/explain.js';
import { gate } from '../../src/validation/gate.js';
import { filesOfPackage, shared } from '../fhir/package.js';

const examples = shared('hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz');

/** The valid cases of the gate, and of every type the example with the most different property names up to 20 kB. */
function seeds(): Resource[] {
  const cases = parse(readFileSync(new URL('gate-cases.yaml', import.meta.url), 'utf8')) as {
    given: string;
    says?: unknown;
  }[];
  const found = cases.filter(c => !c.says).map(c => parseJson(c.given) as Resource);
  if (!examples.present) return found;
  const richest = new Map<string, readonly [names: number, text: string]>();
  for (const [, text] of filesOfPackage(examples.url)) {
    if (text.length > 20_000) continue;
    const type = (JSON.parse(text) as Resource).resourceType;
    const names = new Set(text.match(/"\w+"\s*:/g)).size;
    if (names > (richest.get(type)?.[0] ?? 0)) richest.set(type, [names, text]);
  }
  return [
    ...found,
    ...[...richest.values()].map(([, text]) => parseJson(text) as Resource).filter(r => gate(r).length === 0),
  ];
}

type Step = string | number;
type Place = readonly Step[];

function* placesIn(value: Json, at: Place = []): Generator<Place> {
  yield at;
  if (Array.isArray(value)) for (let i = 0; i < value.length; i++) yield* placesIn(value[i]!, [...at, i]);
  else if (isObject(value))
    for (const name of Object.keys(value)) yield* placesIn(value[name]!, [...at, name]);
}

const at = (resource: Json, place: Place): Json =>
  place.reduce<Json>((value, step) => (value as JsonObject)[step]!, resource);

/** A copy in which the value at the place is another; undefined removes it. */
function changed(value: Json, [step, ...rest]: Place, to: Json | undefined): Json {
  if (step === undefined) return to!;
  if (Array.isArray(value)) {
    const copy = [...value];
    if (to === undefined && rest.length === 0) copy.splice(step as number, 1);
    else copy[step as number] = changed(copy[step as number]!, rest, to);
    return copy;
  }
  const copy = { ...(value as JsonObject) };
  if (to === undefined && rest.length === 0) delete copy[step];
  else copy[step] = changed(copy[step]!, rest, to);
  return copy;
}

/** Both opinions of a changed resource; the expressions of what was found. */
function judged(resource: Json): readonly string[] {
  const issues = explain(resource as Resource, true);
  const verdict = gate(resource as Resource);
  expect(
    verdict.length > 0,
    `the validators and the walk differ: ${JSON.stringify(resource).slice(0, 2000)}`,
  ).toBe(issues.length > 0);
  return issues.map(issue => issue.expression ?? '');
}

/** `value.ofType(Quantity)` → `valueQuantity`, so that an expression can be compared with the JSON's own path. */
const asJson = (expression: string): string =>
  expression.replace(
    /\.ofType\((\w)(\w*)\)/g,
    (_, first: string, rest: string) => first.toUpperCase() + rest,
  );
const pathOf = (type: string, place: Place): string =>
  place.reduce<string>(
    (path, step) => (typeof step === 'number' ? `${path}[${step}]` : `${path}.${step.replace(/^_/, '')}`),
    type,
  );

const samples = seeds();

describe.each(samples.map((resource, i) => [`${resource.resourceType} ${i}`, resource] as const))(
  '%s',
  (_, resource) => {
    const all = [...placesIn(resource)];
    const places = all.filter((_, i) => i % Math.ceil(all.length / 60) === 0);
    const type = resource.resourceType;
    const isType = (place: Place): boolean => place[place.length - 1] === 'resourceType';

    it('agrees on every place removed or replaced', () => {
      for (const place of places) {
        if (place.length > 0 && !isType(place)) judged(changed(resource, place, undefined));
        for (const other of [
          '',
          ' ',
          'x',
          0,
          1.5,
          -1,
          true,
          null,
          [],
          {},
          ['x'],
          [null],
          [{}],
          { id: 'x' },
          { zzz: 1 },
        ] as Json[]) {
          if (place.length > 0) judged(changed(resource, place, other));
        }
      }
    });

    it('finds an unknown property wherever it is', () => {
      for (const place of places) {
        const owner = at(resource, place);
        if (!isObject(owner)) continue;
        const found = judged(changed(resource, place, { ...owner, zzz: 1 }));
        expect(found.map(asJson)).toContain(`${pathOf(type, place)}.zzz`);
      }
    });

    it('finds what is empty, null or of no type wherever it is', () => {
      for (const place of places) {
        if (place.length === 0 || isType(place)) continue;
        for (const nothing of [[], {}, ''] as Json[]) {
          const found = judged(changed(resource, place, nothing)).map(asJson);
          expect(found, JSON.stringify(nothing)).toContain(pathOf(type, place));
        }
      }
    });

    it('finds a second variant of a choice', () => {
      for (const place of places) {
        const name = place[place.length - 1];
        const stem =
          typeof name === 'string'
            ? /^(value|effective|onset|deceased|occurrence|medication)(?=[A-Z])/.exec(name)?.[1]
            : undefined;
        if (stem === undefined) continue;
        const owner = at(resource, place.slice(0, -1)) as JsonObject;
        const doubled = {
          ...owner,
          [`${stem}String`]: 'x',
          [`${stem}DateTime`]: '2020',
          [`${stem}Boolean`]: true,
          [`${stem}Reference`]: { display: 'x' },
        };
        expect(judged(changed(resource, place.slice(0, -1), doubled)).length).toBeGreaterThan(0);
      }
    });
  },
);

it(`covers most types${examples.note}`, () => {
  if (examples.present) expect(new Set(samples.map(r => r.resourceType)).size).toBeGreaterThan(120);
});

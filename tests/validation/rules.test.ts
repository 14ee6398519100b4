// The rules of whole resources: what each finds and where; and what they find in what others published.
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { isObject, parseJson, type Json, type JsonObject } from '../../src/fhir/json.js';
import type { Surroundings } from '../../src/validation/finding.js';
import type { Resource } from '../../src/fhir/resource.js';
import { rulesFor } from '../../src/validation/rules.js';
import { brokenInvariants } from '../../src/validation/write-invariants.js';
import { filesOfPackage, shared } from '../fhir/package.js';

const here = (name: string): URL => new URL(name, import.meta.url);
const nowhere: Surroundings = { holders: [], find: () => undefined, holds: () => 'unknown' };

/** Findings of a resource and of those within it, as `severity rule at expression`. */
function judge(resource: JsonObject, around: Surroundings = nowhere, path?: string): string[] {
  const found: string[] = [];
  const place = path ?? String(resource['resourceType']);
  for (const rule of rulesFor(String(resource['resourceType'])))
    rule(
      resource,
      place,
      ({ severity, rule: key, expression }) => found.push(`${severity} ${key ?? ''} at ${expression}`),
      around,
    );
  const within = { ...around, holders: [resource, ...around.holders] };
  const list = (name: string): Json[] => (Array.isArray(resource[name]) ? resource[name] : []);
  list('contained').forEach((one, i) => {
    if (isObject(one)) found.push(...judge(one, within, `${place}.contained[${i}]`));
  });
  list('entry').forEach((entry, i) => {
    if (isObject(entry) && isObject(entry['resource'] ?? null))
      found.push(...judge(entry['resource'] as JsonObject, within, `${place}.entry[${i}].resource`));
  });
  return found;
}

interface Case {
  readonly what: string;
  readonly resource: JsonObject;
  /** Definitions at hand. */
  readonly known?: readonly JsonObject[];
  /** `valueSet system|code` that are in, all others of the set are not. */
  readonly members?: Readonly<Record<string, readonly string[]>>;
  readonly finds?: readonly string[];
}
const cases = parse(readFileSync(here('rules-cases.yaml'), 'utf8'), { merge: true }) as Readonly<
  Record<string, readonly Case[]>
>;

for (const [group, some] of Object.entries(cases))
  describe(group, () => {
    it.each(some.map(each => [each.what, each] as const))(
      '%s',
      (_, { resource, known = [], members, finds = [] }) => {
        const around: Surroundings = {
          holders: [],
          find: (type, canonical) =>
            known.find(one => one['resourceType'] === type && one['url'] === canonical.split('|', 1)[0]),
          holds: (valueSet, system, code) =>
            members?.[valueSet]?.includes(`${system ?? ''}|${code}`) ??
            (members?.[valueSet] ? false : 'unknown'),
        };
        expect(judge(resource, around)).toEqual(finds);
      },
    );
  });

/** The resource with one value, anywhere in it, replaced by another. */
function disturbed(value: Json, at: { left: number }, by: Json): Json {
  if (at.left-- === 0) return by;
  if (Array.isArray(value)) return value.map(one => disturbed(one, at, by));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, disturbed(one, at, by)]));
}

describe('whatever they are given', () => {
  it('rules and invariants say something or nothing, and never fail', () => {
    const resources = Object.values(cases).flatMap(some => some.map(({ resource }) => resource));
    const odd = fc.oneof(
      fc.constantFrom<Json>(
        null,
        '',
        'constructor',
        '__proto__',
        '#',
        'Patient/1',
        'urn:uuid:x',
        1e308,
        -1,
        true,
        [],
        {},
        [null],
        [[]],
      ),
      fc.constantFrom<Json>(
        { reference: 'toString' },
        { code: 'valueOf', system: 'constructor' },
        { valueConstructor: 1 },
      ),
    );
    const known = resources.flatMap(one =>
      Array.isArray(one['contained']) ? one['contained'].filter(isObject) : [],
    );
    const around: Surroundings = {
      holders: [],
      find: type => known.find(one => one['resourceType'] === type),
      holds: () => false,
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...resources),
        fc.nat(80),
        fc.nat(80),
        odd,
        odd,
        (resource, first, second, by, other) => {
          const once = disturbed(resource, { left: first + 1 }, by);
          const twice = disturbed(once, { left: second + 1 }, other);
          if (!isObject(twice)) return;
          judge(twice, around);
          brokenInvariants(twice as Resource);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

const synthea = shared('synthea/');
const packages = [
  'hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz',
  'hl7/hl7.fhir.r4.core-4.0.1.tgz',
  'us-core/us-core-311.tgz',
  'us-core/us-core-610.tgz',
].map(shared);
/** rule → why it is right → the files it finds something in */
const flagged = parse(readFileSync(here('rules-flagged.yaml'), 'utf8')) as Readonly<
  Record<string, { readonly why: string; readonly files: readonly string[] }>
>;

describe('on what others wrote', () => {
  it.skipIf(!synthea.present)(`find nothing in Synthea's bundles${synthea.note}`, () => {
    for (const file of readdirSync(synthea.url)) {
      const bundle = parseJson(gunzipSync(readFileSync(new URL(encodeURIComponent(file), synthea.url))));
      expect(judge(bundle as JsonObject), file).toEqual([]);
    }
  });
  it.skipIf(packages.some(({ present }) => !present))(
    `find errors only where there are some, in at most 1.5 % of HL7's examples${packages[0]!.note}`,
    () => {
      const all = packages.flatMap(({ url }) =>
        [...filesOfPackage(url)].map(([name, text]) => [name, parseJson(text) as JsonObject] as const),
      );
      const known = new Map(
        all.map(([, one]) => [`${String(one['resourceType'])} ${String(one['url'])}`, one]),
      );
      const around = {
        ...nowhere,
        find: (type: string, url: string) => known.get(`${type} ${url.split('|', 1)[0]!}`),
      };
      const found = new Map<string, Set<string>>();
      const files = new Set<string>();
      for (const [name, one] of all)
        for (const finding of judge(one, around)) {
          const [severity, rule = ''] = finding.split(' ');
          if (severity !== 'error') continue;
          files.add(name);
          found.set(rule, (found.get(rule) ?? new Set()).add(name));
        }
      expect(Object.fromEntries([...found].map(([rule, names]) => [rule, [...names].sort()]))).toEqual(
        Object.fromEntries(Object.entries(flagged).map(([rule, entry]) => [rule, [...entry.files].sort()])),
      );
      expect(files.size / all.length).toBeLessThan(0.015);
    },
  );
});

// Generated resources and queries: every engine answers as `matches` does, in the same order, page by page.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Resource } from '../../src/fhir/resource.js';
import type { SearchPlan } from '../../src/search/plan.js';
import { requestOf, writesOf, type CaseFile } from './cases.js';
import { engines } from './engines.js';
import { openMemory, type Engine } from './memory.js';

const few = <T>(arbitrary: fc.Arbitrary<T>, maxLength = 2): fc.Arbitrary<T[]> =>
  fc.array(arbitrary, { maxLength });
const names = [
  'Abe',
  'abel',
  'Ábel',
  'Bo',
  "O'Bo",
  'Zoë',
  'Zoe Ann',
  'Ωmega',
  '😀',
  '～',
  'Anne-Lise Ábelson',
  '𝒜be😀lson',
  '50%_off',
];
const codes = ['a', 'A', 'b', 'ab', 'c|d', 'e,f'];
const systems = ['http://s.org/1', 'http://s.org/2', ''];
const dates = [
  '2019',
  '2020',
  '2020-02',
  '2020-02-29',
  '2020-03-01',
  '2020-02-29T10:00:00Z',
  '2020-02-29T23:30:00-02:00',
  '2021-01-01T00:00:00.500Z',
];
const numbers = ['-1', '0', '0.5', '5', '5.0', '5.4', '5.44', '10', '1e1'];
const people = ['p0', 'p1', 'p2', 'p3', 'p4'];

const name = fc.constantFrom(...names);
const token = fc
  .record({ system: fc.constantFrom(...systems), code: fc.constantFrom(...codes) })
  .map(({ system, code }) => ({ ...(system === '' ? {} : { system }), code, display: `Code ${code}` }));
const date = fc.constantFrom(...dates);
const patient = fc.record(
  {
    name: few(fc.record({ family: name, given: few(name) }, { requiredKeys: [] })),
    gender: fc.constantFrom('male', 'female'),
    birthDate: date.map(text => text.slice(0, 10)),
    identifier: few(
      token.map(({ code, display, ...rest }) => ({ ...rest, value: code, type: { text: display } })),
    ),
    generalPractitioner: few(fc.constantFrom(...people).map(id => ({ reference: `Organization/${id}` }))),
    active: fc.boolean(),
  },
  { requiredKeys: [] },
);
const quantity = fc.constantFrom(...numbers.slice(0, 8)).chain(value =>
  fc.record(
    {
      value: fc.constant(Number(value)),
      unit: fc.constantFrom('mg', 'g'),
      system: fc.constantFrom('http://unitsofmeasure.org', 'http://s.org/1'),
      code: fc.constantFrom('mg', 'g', 'cg', 'mL'),
      comparator: fc.constantFrom('<', '>='),
    },
    { requiredKeys: ['value'] },
  ),
);
const observation = fc.record(
  {
    code: few(token).map(coding => ({ coding })),
    subject: fc.constantFrom(...people).map(id => ({ reference: `Patient/${id}` })),
    effectiveDateTime: date,
    valueQuantity: quantity,
    component: few(fc.record({ code: token.map(one => ({ coding: [one] })), valueQuantity: quantity })),
  },
  { requiredKeys: [] },
);
const organization = fc.record(
  { name, partOf: fc.constantFrom(...people).map(id => ({ reference: `Organization/${id}` })) },
  { requiredKeys: [] },
);

const given = (): readonly Resource[] => {
  const of = (type: string, prefix: string, arbitrary: fc.Arbitrary<object>, count: number): Resource[] =>
    fc
      .sample(arbitrary, { numRuns: count, seed: 7 })
      .map((one, i) => ({ resourceType: type, id: `${prefix}${i}`, ...structuredClone(one) }));
  return [
    ...of('Organization', 'p', organization, 6),
    ...of('Patient', 'p', patient, 40),
    ...of('Observation', 'o', observation, 80),
  ];
};

const escaped = (text: string): string => encodeURIComponent(text.replace(/[\\,|$]/g, '\\$&'));
const list = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(value, { minLength: 1, maxLength: 3 }).map(values => values.join(','));
const prefixed = (value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom('', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'), value)
    .map(([prefix, one]) => prefix + one);
const tokenText = fc.oneof(
  fc.constantFrom(...codes).map(escaped),
  fc
    .tuple(fc.constantFrom(...systems), fc.constantFrom(...codes))
    .map(([system, code]) => `${system}|${escaped(code)}`),
  fc.constant('http://s.org/1|'),
);
const nameText = fc.constantFrom(...names, 'a', 'b', 'o', 'ann', 'ωm').map(escaped);
/** Parts of names: of one letter and of all, over spaces, of half a pair, and of none of them. */
const partText = fc
  .tuple(fc.constantFrom(...names, 'Abelsons'), fc.nat(8), fc.nat(12))
  .map(([one, from, length]) => one.slice(from % one.length, (from % one.length) + 1 + length))
  .map(part => part.replace(/[\ud800-\udbff]$|^[\udc00-\udfff]/g, ''))
  .filter(part => part.trim() !== '')
  .map(escaped);
const dateText = prefixed(date.map(escaped));
const quantityText = fc
  .tuple(
    prefixed(fc.constantFrom(...numbers)),
    fc.constantFrom('', '||mg', '||g', '|http://unitsofmeasure.org|g', '|http://unitsofmeasure.org|cg'),
  )
  .map(parts => parts.join(''));
const is = (code: string, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  value.map(text => `${code}=${text}`);
const missing = (...params: readonly string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...params), fc.boolean()).map(([param, value]) => `${param}:missing=${value}`);

const term = fc.oneof(
  fc.constantFrom(
    'abe',
    'bo',
    'zoe',
    'ann',
    'code',
    'a',
    'female',
    'ωmega',
    'x',
    '"zoe ann"',
    '"code a"',
    'omega*',
    'fem*',
  ),
  fc.constantFrom(...names.filter(one => /\p{L}/u.test(one)), 'c|d').map(escaped),
);
const contentText = fc
  .tuple(fc.constantFrom('', '-'), term, fc.constantFrom(' ', ' OR ', ' AND ', ' NOT ', ','), term)
  .chain(parts => fc.constantFrom(parts.join(''), `${parts[0]}${parts[1]}`, `-(${parts.join('')})`));

/** Comparisons of text, negated and joined. */
function filter(...of: readonly (readonly [string, fc.Arbitrary<string>])[]): fc.Arbitrary<string> {
  const comparison = fc.oneof(
    ...of.map(([param, value]) =>
      fc
        .tuple(fc.constantFrom('eq', 'ne', 'co', 'sw', 'ew'), value)
        .map(([is, text]) => `${param} ${is} %22${text}%22`),
    ),
  );
  return fc
    .tuple(fc.boolean(), comparison, fc.constantFrom('and', 'or'), comparison)
    .map(([negated, left, by, right]) =>
      negated ? `not (${left} ${by} ${right})` : `${left} ${by} ${right}`,
    );
}

const ofPatient = fc.oneof(
  is('name', list(nameText)),
  is('family:exact', nameText),
  is('given:contains', nameText),
  is('name:contains', list(partText)),
  is('family:contains', partText),
  is('gender', list(fc.constantFrom('male', 'female'))),
  is('gender:not', fc.constantFrom('male', 'female')),
  is('birthdate', list(dateText)),
  is('identifier', list(tokenText)),
  is('identifier:not', list(tokenText)),
  is('identifier:text', fc.constantFrom('code a', 'code', 'b')),
  is('name:text', nameText),
  is('gender:in', fc.constantFrom('ValueSet/administrative-gender', 'ValueSet/marital-status')),
  is(
    '_filter',
    filter(
      ['family', fc.oneof(nameText, partText, fc.constant('e'))],
      ['identifier', fc.constantFrom(...codes.slice(0, 4))],
    ),
  ),
  is('_content', contentText),
  is('active', fc.constantFrom('true', 'false')),
  is('_id', list(fc.constantFrom(...people))),
  missing('name', 'gender', 'birthdate', 'identifier', 'general-practitioner'),
  is('general-practitioner.name', nameText),
  is('general-practitioner:Organization.partof.name', nameText),
  is('_has:Observation:patient:code', list(tokenText)),
  is('_has:Observation:subject:date', dateText),
);
const ofObservation = fc.oneof(
  is('code', list(tokenText)),
  is('code:not', list(tokenText)),
  is('code:text', fc.constantFrom('code a', 'code', 'b')),
  is('_filter', filter(['patient.given', nameText], ['code', fc.constantFrom(...codes.slice(0, 4))])),
  is('combo-code', list(tokenText)),
  is('_content', contentText),
  is('patient._content', contentText),
  is('patient', list(fc.constantFrom(...people))),
  is('date', list(dateText)),
  is('value-quantity', list(quantityText)),
  is('combo-value-quantity', quantityText),
  is(
    'component-code-value-quantity',
    fc.tuple(tokenText, quantityText).map(parts => parts.join('$')),
  ),
  missing('code', 'date', 'subject', 'value-quantity', 'component-code'),
  is('patient.name', nameText),
  is('patient.family:contains', partText),
  is('patient.gender:not', fc.constantFrom('male', 'female')),
  is('patient.general-practitioner.name', nameText),
);
const sorts = (...params: readonly string[]): fc.Arbitrary<string> =>
  fc
    .array(
      fc.tuple(fc.constantFrom('', '-'), fc.constantFrom(...params)).map(parts => parts.join('')),
      { maxLength: 2 },
    )
    .map(keys => (keys.length === 0 ? '' : `_sort=${keys.join(',')}`));
const query = fc.oneof(
  fc
    .tuple(
      few(ofPatient, 3),
      sorts('family', 'given', 'birthdate', 'gender', 'identifier', '_id', '_lastUpdated'),
    )
    .map(([criteria, sort]) => `Patient?${[...criteria, sort].join('&')}`),
  fc
    .tuple(few(ofObservation, 3), sorts('code', 'date', 'value-quantity', 'component-value-quantity', '_id'))
    .map(([criteria, sort]) => `Observation?${[...criteria, sort].join('&')}`),
  fc
    .tuple(
      few(
        ofPatient.filter(text => text.startsWith('_id')),
        1,
      ),
      sorts('_id', '_lastUpdated'),
    )
    .map(([criteria, sort]) => `?${['_type=Patient,Organization', ...criteria, sort].join('&')}`),
);

const file: CaseFile = { name: 'generated', section: '', zone: 'Europe/Berlin', given: given(), cases: [] };

async function pages(engine: Engine, plan: SearchPlan, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let next: SearchPlan | undefined = { ...plan, count }; next !== undefined;) {
    const page = await engine.search(next);
    found.push(...page.versions.map(({ ref }) => `${ref.type}/${ref.id}`));
    next = page.next === undefined ? undefined : { ...next, after: page.next };
  }
  return found;
}

for (const { name, skip, open } of engines.filter(engine => engine.open !== openMemory)) {
  describe.skipIf(skip !== undefined)(skip === undefined ? name : `${name} (${skip})`, () => {
    let engine: Engine;
    let oracle: Engine;
    beforeAll(async () => {
      [engine, oracle] = await Promise.all([open(), openMemory()]);
      await engine.commit(writesOf(file));
      await oracle.commit(writesOf(file));
    });
    afterAll(() => engine.close());

    it('answers generated queries as matches does', async () => {
      let hits = 0;
      await fc.assert(
        fc.asyncProperty(query, fc.integer({ min: 1, max: 30 }), async (text, count) => {
          const { plan } = requestOf({ query: text }, file);
          const expected = await pages(oracle, plan, 1000);
          const found = await pages(engine, plan, 1000);
          expect(found).toEqual(expected);
          expect(await pages(engine, plan, count)).toEqual(found);
          expect(await engine.count(plan)).toBe(expected.length);
          if (expected.length > 0) hits++;
        }),
        { numRuns: 300 },
      );
      expect(hits).toBeGreaterThan(100);
    });
  });
}

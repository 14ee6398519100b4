// Custom search parameters by properties: for made-up resources and questions the stores find what `matches` finds, and
// that is what a plain reading of the values says.
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { refKey, type Ref, type Resource } from '../../src/fhir/resource.js';
import { indexRows } from '../../src/search/index-rows.js';
import { matches, refersTo, type Indexed } from '../../src/search/matches.js';
import { parseSearch } from '../../src/search/parse.js';
import { custom, idsOf, use } from '../operations/custom-parameter.js';
import { base, onEveryStore } from '../system.js';

const url = (name: string): string => `http://example.org/${name}`;
const at = (name: string, type: string): string =>
  `Patient.extension.where(url = '${url(name)}').value.ofType(${type})`;

const parameters = [
  custom('a-string', { type: 'string', expression: at('a-string', 'string') }),
  custom('a-token', { type: 'token', expression: at('a-token', 'Coding') }),
  custom('a-date', { type: 'date', expression: at('a-date', 'date') }),
  custom('a-number', { type: 'number', expression: at('a-number', 'decimal') }),
  custom('a-quantity', { type: 'quantity', expression: at('a-quantity', 'Quantity') }),
  custom('a-uri', { type: 'uri', expression: at('a-uri', 'uri') }),
  custom('a-reference', {
    type: 'reference',
    target: ['Patient'],
    expression: at('a-reference', 'Reference'),
  }),
  custom('a-union', { type: 'string', expression: `${at('a-string', 'string')} | Patient.name.family` }),
  custom('a-pair', {
    type: 'composite',
    expression: 'Patient.contact',
    component: [
      { definition: 'http://hl7.org/fhir/SearchParameter/individual-gender', expression: 'gender' },
      { definition: 'http://hl7.org/fhir/SearchParameter/individual-family', expression: 'name.family' },
    ],
  }),
];

const count = 60;
const words = ['ab', 'abc', 'Äbc', 'b', 'ABC d', ''];
const seeded = fc.sample(
  fc.record({
    string: fc.array(fc.constantFrom(...words.slice(0, 5)), { maxLength: 2 }),
    token: fc.array(fc.tuple(fc.constantFrom('', 'http://s'), fc.constantFrom('x', 'y')), { maxLength: 2 }),
    date: fc.array(fc.constantFrom('2020', '2020-03', '2020-03-04', '2021-01-01'), { maxLength: 2 }),
    number: fc.array(fc.constantFrom(1, 2, 2.5, 10), { maxLength: 2 }),
    grams: fc.array(fc.constantFrom(1, 500), { maxLength: 1 }),
    uri: fc.array(fc.constantFrom('http://a', 'http://a/b'), { maxLength: 1 }),
    other: fc.array(fc.integer({ min: 0, max: count - 1 }), { maxLength: 2 }),
    family: fc.constantFrom('ab', 'z'),
    contact: fc.array(fc.tuple(fc.constantFrom('male', 'female'), fc.constantFrom('Ab', 'Z')), {
      maxLength: 2,
    }),
  }),
  { numRuns: count, seed: 7 },
);

const patients = seeded.map((one, i): Resource => {
  const extension = [
    ...one.string.map(valueString => ({ url: url('a-string'), valueString })),
    ...one.token.map(([system, code]) => ({ url: url('a-token'), valueCoding: { ...(system === '' ? {} : { system }), code } })),
    ...one.date.map(valueDate => ({ url: url('a-date'), valueDate })),
    ...one.number.map(valueDecimal => ({ url: url('a-number'), valueDecimal })),
    ...one.grams.map(value => ({ url: url('a-quantity'), valueQuantity: { value, system: 'http://unitsofmeasure.org', code: 'mg' } })),
    ...one.uri.map(valueUri => ({ url: url('a-uri'), valueUri })),
    ...one.other.map(j => ({ url: url('a-reference'), valueReference: { reference: `Patient/p${j}` } })),
  ]; // prettier-ignore
  return {
    resourceType: 'Patient',
    id: `p${i}`,
    ...(extension.length === 0 ? {} : { extension }),
    name: [{ family: one.family }],
    ...(one.contact.length === 0
      ? {}
      : { contact: one.contact.map(([gender, family]) => ({ gender, name: { family } })) }),
  };
});

const oneOf = (...values: string[]): fc.Arbitrary<string> => fc.constantFrom(...values);
const prefix = oneOf('', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb');
const pair = (first: fc.Arbitrary<string>, second: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(first, second).map(([a, b]) => a + b);
const criterion = fc.oneof(
  pair(oneOf('a-string', 'a-string:exact', 'a-string:contains', 'a-union'), oneOf('=ab', '=abc', '=äbc', '=d', '=b,ab')),
  pair(oneOf('a-token', 'a-token:not'), oneOf('=x', '=http://s|x', '=|y', '=http://s|', '=x,y')),
  pair(pair(oneOf('a-date='), prefix), oneOf('2020', '2020-03', '2020-03-04', '2022')),
  pair(pair(oneOf('a-number='), prefix), oneOf('2', '2.0', '2.5', '1e1')),
  pair(pair(oneOf('a-quantity='), prefix), oneOf('500|http://unitsofmeasure.org|mg', '0.5|http://unitsofmeasure.org|g', '1')),
  pair(oneOf('a-uri', 'a-uri:below', 'a-uri:above'), oneOf('=http://a', '=http://a/b')),
  pair(oneOf('a-reference', 'a-reference:Patient'), oneOf('=p1', '=p7,p30')),
  pair(oneOf('a-reference.a-string', 'a-reference.a-reference.a-token', '_has:Patient:a-reference:a-string'), oneOf('=ab', '=x')),
  pair(oneOf('a-pair='), oneOf('male$ab', 'female$z', 'male$z,female$ab')),
  pair(oneOf(...parameters.map(one => String(one['code']))), oneOf(':missing=true', ':missing=false')),
); // prettier-ignore
const sorts = [
  'a-string',
  '-a-string',
  'a-token',
  '-a-date',
  'a-date',
  'a-number',
  '-a-number',
  'a-uri',
  '-a-union',
];

onEveryStore('custom search parameters', {}, tsela => {
  beforeAll(async () => {
    // Half before they are known, half after.
    for (const one of patients.slice(0, count / 2))
      await tsela().send('PUT', `Patient/${String(one['id'])}`, one);
    tsela().system.work();
    await use(tsela(), ...parameters);
    for (const one of patients.slice(count / 2))
      await tsela().send('PUT', `Patient/${String(one['id'])}`, one);
  });

  test('find what matches finds, sorted by any of them', async () => {
    const { custom: parametersInUse } = tsela().system.settings;
    const indexed = new Map<string, Indexed>();
    for (const one of patients) {
      const ref = { type: 'Patient', id: String(one['id']) };
      indexed.set(refKey(ref), {
        ref,
        lastUpdated: 0,
        rows: indexRows(one, { bases: [base], custom: parametersInUse }),
      });
    }
    const resolve = {
      target: async (ref: Ref) => indexed.get(refKey(ref)),
      referrers: (_type: string, param: string, ref: Ref) =>
        [...indexed.values()].filter(one => refersTo(one, param, ref)),
    };
    let hits = 0;
    let misses = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(criterion, { minLength: 1, maxLength: 2 }), fc.constantFrom(...sorts), async (criteria, sort) => {
        const params = criteria.map(one => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)] as const);
        const query = [...params, ['_sort', sort] as const, ['_count', '100'] as const];
        const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
        const found = idsOf(await tsela().send('GET', `Patient?${text}`));
        const { plan } = parseSearch({ types: ['Patient'], params, bases: [base], zone: 'UTC', handling: 'strict', defaultCount: 100, maxCount: 100, custom: parametersInUse, queries: [] });
        const expected: string[] = [];
        for (const one of indexed.values()) if (await matches(plan.where, one, resolve)) expected.push(one.ref.id);
        expect([...found].sort(), text).toEqual(expected.sort());
        if (found.length > 0) hits++;
        if (found.length < count) misses++;
      }),
      { numRuns: 250, seed: 11 },
    ); // prettier-ignore
    expect([hits > 100, misses > 100]).toEqual([true, true]);
  });

  test('find by values what a plain reading says', async () => {
    const found = async (query: string): Promise<string[]> => idsOf(await tsela().send('GET', `Patient?${query}&_count=100`)).sort(); // prettier-ignore
    const having = (holds: (one: (typeof seeded)[number]) => boolean): string[] =>
      seeded.flatMap((one, i) => (holds(one) ? [`p${i}`] : [])).sort();
    expect(await found('a-string:exact=ab')).toEqual(having(one => one.string.includes('ab')));
    expect(await found('a-token=http://s|x')).toEqual(having(one => one.token.some(([system, code]) => system !== '' && code === 'x'))); // prettier-ignore
    expect(await found('a-number=2.5')).toEqual(having(one => one.number.includes(2.5)));
    expect(await found('a-quantity=0.5|http://unitsofmeasure.org|g')).toEqual(having(one => one.grams.includes(500))); // prettier-ignore
    expect(await found('a-reference=p1')).toEqual(having(one => one.other.includes(1)));
    expect(await found('a-uri=http://a')).toEqual(having(one => one.uri.includes('http://a')));
    expect(await found('a-pair=male$z')).toEqual(having(one => one.contact.some(([gender, family]) => gender === 'male' && family === 'Z'))); // prettier-ignore
    expect(await found('a-date=sa2020')).toEqual(having(one => one.date.includes('2021-01-01')));
  });
});

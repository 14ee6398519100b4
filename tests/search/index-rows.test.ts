// docs/index-rows.md, held by the rows of chosen and of real resources.
import { describe, expect, it } from 'vitest';
import { compileFhirPathNodes } from '../../src/fhir/fhirpath.js';
import { Decimal } from '../../src/fhir/json.js';
import { searchParameters } from '../../src/fhir/definitions.js';
import type { Resource } from '../../src/fhir/resource.js';
import { answeredBy, isWritten } from '../../src/search/aliases.js';
import { Collector } from '../../src/search/extract/collector.js';
import { compileExtraction } from '../../src/search/extract/compile.js';
import { indexRows, searchIndexVersion } from '../../src/search/index-rows.js';
import { parametersOf, type Parameter } from '../../src/search/parameters.js';
import type { Row } from '../../src/search/rows.js';
import { compareText } from '../../src/search/sort.js';
import { searchTypes } from '../../src/search/types/all.js';
import { hl7Examples, real, syntheaResources } from './real-resources.js';

const settings = { bases: ['https://tsela.example/fhir'] };
const of = (resource: Resource, param: string): readonly Row[] =>
  indexRows(resource, settings).filter(row => row.param === param);

describe('rows', () => {
  it('are written once, the lowest and highest marked', () => {
    const patient: Resource = {
      resourceType: 'Patient',
      name: [{ given: ['Mary', 'Ann', 'Zoe', 'mary'] }, { given: ['Ann'] }],
      birthDate: '1980-05-01',
    };
    expect(of(patient, 'given')).toEqual([
      { kind: 'string', param: 'given', value: 'mary', exact: 'Mary' },
      { kind: 'string', param: 'given', value: 'ann', exact: 'Ann', end: 1 },
      { kind: 'string', param: 'given', value: 'zoe', exact: 'Zoe', end: 2 },
      { kind: 'string', param: 'given', value: 'mary', exact: 'mary' },
    ]);
    expect(of(patient, 'birthdate')).toEqual([
      { kind: 'date', param: 'birthdate', lo: Date.UTC(1980, 4, 1), hi: Date.UTC(1980, 4, 2) - 1, end: 3 },
    ]);
  });

  it('have the ends of ranges by their own bound', () => {
    const event = (occurrence: object[]): Resource =>
      ({
        resourceType: 'PractitionerRole',
        availableTime: [],
        identifier: [],
        period: occurrence[0],
      }) as unknown as Resource;
    const [row] = of(event([{ start: '2020-01-01' }]), 'date');
    expect(row).toMatchObject({ lo: Date.UTC(2020, 0, 1), hi: 8.64e15, end: 3 });
    const observation: Resource = {
      resourceType: 'Observation',
      component: [
        { valueQuantity: { value: 1, comparator: '>' } },
        { valueQuantity: { value: 2 } },
        { valueQuantity: { value: 5 } },
      ],
    };
    expect(of(observation, 'component-value-quantity').map(one => one.end)).toEqual(
      [2, undefined, undefined].map((end, i) => (i === 0 ? 3 : end)),
    );
  });

  it('do not repeat among very many', () => {
    const code = (i: number): object => ({ code: `c${i % 500}` });
    const system = {
      resourceType: 'CodeSystem',
      concept: Array.from({ length: 5000 }, (_, i) => code(i)),
    } as unknown as Resource;
    const rows = of(system, 'code');
    expect(rows).toHaveLength(500);
    expect(rows.filter(row => row.end !== undefined)).toMatchObject([
      { code: 'c0', end: 1 },
      { code: 'c99', end: 2 },
    ]);
  });

  it('take a decimal with its own lexeme', () => {
    const observation: Resource = {
      resourceType: 'Observation',
      valueQuantity: { value: new Decimal('1.10'), unit: 'kg' },
    };
    expect(of(observation, 'value-quantity')).toEqual([
      { kind: 'number', param: 'value-quantity', lo: 1.1, hi: 1.1, system: '', code: 'kg', end: 3 },
    ]);
  });

  it('of one resource do not leak into the next, even after a failure', () => {
    const poison = { resourceType: 'Patient', gender: 'male', get name(): never { throw new Error('poison'); } } as unknown as Resource; // prettier-ignore
    expect(() => indexRows(poison, settings)).toThrowError('poison');
    expect(indexRows({ resourceType: 'Patient' }, settings).map(row => row.param)).toEqual(['deceased']);
  });

  it('pass over what is of the wrong shape', () => {
    const odd = {
      resourceType: 'Observation',
      code: 'text',
      subject: 'Patient/1',
      status: 7,
      component: { code: [{ coding: 'x' }, null] },
      effectiveDateTime: 'yesterday',
      valueQuantity: { value: 'many' },
      meta: { tag: [null, { code: 5 }], profile: 'p' },
    } as unknown as Resource;
    expect(() => indexRows(odd, settings)).not.toThrow();
  });

  it('of date depend on the zone, and so does the name of the index', () => {
    const patient: Resource = { resourceType: 'Patient', birthDate: '2000-01-01' };
    const [row] = indexRows(patient, { ...settings, zone: 'Africa/Maseru' }).filter(
      one => one.param === 'birthdate',
    );
    expect(row).toMatchObject({ lo: Date.parse('2000-01-01T00:00:00+02:00') });
    expect(searchIndexVersion('Africa/Maseru')).not.toBe(searchIndexVersion());
    expect(searchIndexVersion('UTC')).toBe(searchIndexVersion());
  });
});

const without = ({ end: _end, ...row }: Row): object => row;
const textOf = (row: object): string =>
  JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));

describe.skipIf(!real.present)(`rows of real resources${real.note}`, () => {
  it('come from all of Synthea and HL7’s examples, each once, with one lowest and one highest per parameter', () => {
    let count = 0;
    for (const resources of [syntheaResources(), hl7Examples()]) {
      for (const resource of resources) {
        count++;
        const rows = indexRows(resource, settings);
        expect(new Set(rows.map(row => textOf(without(row)))).size).toBe(rows.length);
        const groups = new Map<string, Row[]>();
        for (const row of rows) groups.set(row.param, [...(groups.get(row.param) ?? []), row]);
        for (const [param, group] of groups) {
          const { kind } = group[0]!;
          const sortable = !param.includes(':') && !['composite', 'reference', 'words'].includes(kind);
          const ends = group.map(row => row.end ?? 0).filter(end => end !== 0);
          expect(
            ends.reduce((sum, end) => sum + end, 0),
            `${resource.resourceType}.${param}`,
          ).toBe(sortable ? 3 : 0);
          if (kind === 'token' && sortable) {
            const codes = group
              .map(row => (row as Extract<Row, { kind: 'token' }>).code)
              .toSorted(compareText);
            expect(group.find(row => (row.end! & 1) === 1)).toMatchObject({ code: codes[0] });
            expect(group.find(row => (row.end! & 2) === 2)).toMatchObject({ code: codes.at(-1) });
          }
        }
      }
    }
    expect(count).toBeGreaterThan(14_000);
  });

  /** The rows of one parameter alone, as if it had no alias. */
  const alone = new Map<Parameter, (resource: Resource) => readonly Row[]>();
  const rowsAlone = (parameter: Parameter, resource: Resource): readonly Row[] => {
    let run = alone.get(parameter);
    if (run === undefined) {
      const extraction = compileExtraction([parameter]);
      const collector = new Collector(extraction.slots);
      run = one => {
        collector.settings = settings;
        extraction.run(one, collector);
        return collector.take();
      };
      alone.set(parameter, run);
    }
    return run(resource);
  };

  it('hold for what is an alias what it would have had itself', () => {
    let compared = 0;
    for (const resources of [syntheaResources(6), hl7Examples()]) {
      for (const resource of resources) {
        const type = resource.resourceType;
        for (const parameter of parametersOf(type).values()) {
          if (
            parameter.kind === undefined ||
            isWritten(type, parameter.code) ||
            parameter.code.startsWith('_')
          )
            continue;
          const answers = answeredBy(type, parameter.code);
          if (!('any' in answers)) continue;
          const own = rowsAlone(parameter, resource).filter(row => row.param === parameter.code);
          const theirs = answers.any.flatMap(({ parameter: { code }, targets }) =>
            indexRows(resource, settings)
              .filter(row => row.param === code)
              .filter(
                row =>
                  targets === undefined ||
                  (row.kind === 'reference' && targets.some(target => row.target.includes(`${target}/`))),
              ),
          );
          const named = (rows: readonly Row[]): string[] =>
            [...new Set(rows.map(row => textOf({ ...without(row), param: '' })))].toSorted();
          // A reference by URN says its type in the type element only, which rows do not have.
          if (own.some(row => row.kind === 'reference' && row.target.startsWith('urn:'))) continue;
          expect(named(theirs), `${type}/${String(resource['id'])} ${parameter.code}`).toEqual(named(own));
          compared++;
        }
      }
    }
    expect(compared).toBeGreaterThan(3000);
  });

  it('are those that fhirpath.js finds, where it has no trap', () => {
    // resolve() would need a server; "and" with an empty side is empty there; a canonical is a uri there, although a
    // parameter of its own takes it; and of an extension its value is meant.
    const trapped = /resolve\(\)|deceased\.exists|extension\(|ofType\(uri\)/;
    const byUrl = new Map(searchParameters().map(definition => [definition.url, definition]));
    const compiled = new Map<string, (resource: Resource) => { value: unknown; type: string }[]>();
    let compared = 0;
    let failed = 0;
    let i = 0;
    for (const resources of [syntheaResources(1), hl7Examples()]) {
      for (const resource of resources) {
        if (i++ % 4 !== 0 || resource.resourceType === 'Bundle') continue;
        for (const parameter of parametersOf(resource.resourceType).values()) {
          const { expression } = byUrl.get(parameter.url)!;
          const type = searchTypes[parameter.type];
          if (expression === undefined || trapped.test(expression) || type === undefined) continue;
          const evaluate = compiled.get(expression) ?? compileFhirPathNodes(expression);
          compiled.set(expression, evaluate);
          let found: { value: unknown; type: string }[];
          try {
            found = evaluate(resource);
          } catch {
            failed++;
            continue;
          }
          const slot = new Collector([{ param: parameter.code, kind: type.kind }]);
          slot.settings = settings;
          for (const node of found)
            (type.index[node.type] ?? ((_value, sink) => sink.present()))(node.value as never, slot);
          const sorted = (rows: readonly Row[]): string[] => rows.map(row => textOf(without(row))).toSorted();
          expect(
            sorted(rowsAlone(parameter, resource)),
            `${resource.resourceType}/${String(resource['id'])} ${parameter.code}`,
          ).toEqual(sorted(slot.take()));
          compared++;
        }
      }
    }
    expect(compared).toBeGreaterThan(10_000);
    expect(failed / compared).toBeLessThan(0.01);
  });
});

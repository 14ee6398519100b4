// What parse makes of a request besides the criteria, which tests/search/cases cover.
import { describe, expect, it } from 'vitest';
import { locksOf, parseCriteria, parseSearch, type SearchInput } from '../../src/search/parse.js';

const parse = (query: string, more: Partial<SearchInput> = {}): ReturnType<typeof parseSearch> =>
  parseSearch({
    types: ['Patient'],
    params: [...new URLSearchParams(query)],
    bases: ['https://tsela.example/fhir'],
    handling: 'strict',
    zone: 'UTC',
    defaultCount: 20,
    maxCount: 100,
    ...more,
  });

describe('a search request', () => {
  it('keeps what was understood in order, for the self link', () => {
    const { understood, ignored } = parse(
      'name=x&_format=json&colour=red&_count=5&gender=&_sort=-birthdate&name=y',
      { handling: 'lenient' },
    );
    expect(understood).toEqual([
      ['name', 'x'],
      ['_count', '5'],
      ['_sort', '-birthdate'],
      ['name', 'y'],
    ]);
    expect(ignored).toEqual([
      {
        severity: 'warning',
        code: 'not-supported',
        text: 'Patient has no search parameter "colour". It was ignored.',
      },
    ]);
  });

  it('is bounded in count', () => {
    expect(parse('').plan.count).toBe(20);
    expect(parse('_count=7').plan.count).toBe(7);
    expect(parse('_count=5000').plan.count).toBe(100);
    expect(parse('').plan.total).toBe('none');
    expect(parse('_total=estimate').plan.total).toBe('estimate');
    expect(parse('_count=0').plan).toMatchObject({ count: 0, total: 'accurate' });
    expect(parse('_summary=count')).toMatchObject({
      summary: 'count',
      plan: { count: 0, total: 'accurate' },
    });
  });

  it('keeps the options of the result', () => {
    expect(parse('_elements=id,name&_elements=gender').elements).toEqual(['id', 'name', 'gender']);
    expect(parse('_summary=text').summary).toBe('text');
    expect(parse('_sort=-birthdate,family').plan.sort).toEqual([
      { param: 'birthdate', kind: 'date', descending: true },
      { param: 'family', kind: 'string', descending: false },
    ]);
    expect(parse('_include=Patient:organization').includes).toEqual([
      {
        name: '_include=Patient:organization',
        direction: 'include',
        source: 'Patient',
        through: [{ param: 'organization' }],
      },
    ]);
    expect(parse('_revinclude=Observation:patient').includes).toEqual([
      {
        name: '_revinclude=Observation:patient',
        direction: 'revinclude',
        source: 'Observation',
        through: [{ param: 'subject', targets: ['Patient'] }],
      },
    ]);
  });

  it('asks for a list of values at once', () => {
    expect(parse('identifier=s|1,s|2,3').plan.where).toEqual({
      op: 'or',
      nodes: [
        {
          op: 'row',
          kind: 'token',
          param: 'identifier',
          where: [
            { column: 'system', is: 'eq', value: 's' },
            { column: 'code', is: 'in', values: ['1', '2'] },
          ],
        },
        { op: 'row', kind: 'token', param: 'identifier', where: [{ column: 'code', is: 'eq', value: '3' }] },
      ],
    });
  });

  it('refuses modifiers and values also with lenient handling', () => {
    expect(() => parse('name:in=x', { handling: 'lenient' })).toThrowError(':in');
    expect(() => parse('birthdate=soon', { handling: 'lenient' })).toThrowError('soon');
    expect(() => parse('_count=x', { handling: 'lenient' })).toThrowError('_count');
    expect(() => parse('name=x&_cursor=abc')).toThrowError(
      expect.objectContaining({ code: 'invalid-cursor' }) as Error,
    );
  });

  it('shortens what it quotes', () => {
    const long = 'x'.repeat(1_000_000);
    for (const query of [
      `${long}=1`,
      `birthdate=${long}`,
      `name:${long}=1`,
      `general-practitioner.${long}=1`,
      `_sort=${long}`,
    ]) {
      const message = /^.{1,600}$/s;
      expect(() => parse(query)).toThrowError(message);
    }
  });

  it('does not let chains without types multiply', () => {
    const query = `target.${'entity.target.'.repeat(2)}_id=x`;
    expect(() => parse(query, { types: ['Provenance'] })).not.toThrowError(RangeError);
    const started = ['focus', 'subject', 'target', 'item', 'entity'];
    for (const code of started) {
      try {
        const { plan } = parse(`target.${code}.${code}.${code}._id=x`, { types: ['Provenance'] });
        expect(JSON.stringify(plan).length).toBeLessThan(100_000);
      } catch (error) {
        expect(error).toMatchObject({
          code: expect.stringMatching(/too-costly-search|invalid-search/) as string,
        });
      }
    }
  });

  it('of the whole system names all types, or those of _type', () => {
    expect(parse('_lastUpdated=gt2020', { types: [] }).plan.types.length).toBeGreaterThan(140);
    expect(parse('_type=Patient,Group&_type=Patient', { types: [] }).plan.types).toEqual([
      'Patient',
      'Group',
    ]);
  });
});

describe('criteria of conditional interactions', () => {
  const settings = { bases: [], zone: 'UTC' };
  it('are a search for none, one or several', () => {
    expect(parseCriteria('Patient', 'identifier=s%7C1&_format=json', settings)).toEqual({
      types: ['Patient'],
      where: {
        op: 'row',
        kind: 'token',
        param: 'identifier',
        where: [
          { column: 'system', is: 'eq', value: 's' },
          { column: 'code', is: 'eq', value: '1' },
        ],
      },
      sort: [],
      count: 2,
      total: 'none',
    });
  });
  it.each([
    ['_sort=name', '_sort is about the result'],
    ['name=x&_count=1', '_count is about the result'],
    ['_include=Patient:organization', '_include is about the result'],
    ['_revinclude:iterate=Patient:organization', '_revinclude is about the result'],
    ['nmae=x', 'Did you mean "name"'],
    ['name=', 'has no criterion'],
    ['', 'has no criterion'],
  ])('%s is refused: %s', (query, message) => {
    expect(() => parseCriteria('Patient', query, settings)).toThrowError(message);
  });

  it.each([
    ['identifier=s%7C1', ['Patient|s|1']],
    ['identifier=s%7Cb,s%7Ca&active=true', ['Patient|s|a', 'Patient|s|b']],
    ['identifier=s%7C1&identifier=t%7C2', ['Patient|s|1', 'Patient|t|2']],
    ['identifier=1', ['Patient']],
    ['identifier=%7C1', ['Patient']],
    ['identifier=s%7C', ['Patient']],
    ['identifier=s%7C1,2', ['Patient']],
    ['identifier:not=s%7C1', ['Patient']],
    ['identifier=a%5C%7Cb%7C1', ['Patient|a|b|1']],
    ['name=x', ['Patient']],
  ])('%s is judged under the locks %j', (query, locks) => {
    expect(locksOf('Patient', query)).toEqual(locks);
  });
});

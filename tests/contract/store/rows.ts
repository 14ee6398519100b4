// Promises of search and count about leaves: every condition on every kind of row.
import { expect } from 'vitest';
import { not, or, and, type Node } from '../../../src/search/plan.js';
import { openHigh, openLow } from '../../../src/search/rows.js';
import {
  composite,
  contains,
  date,
  eq,
  found,
  ids,
  leaf,
  name,
  number,
  oneOf,
  prefix,
  range,
  reference,
  string,
  text,
  token,
  uri,
  type Promises,
  type World,
} from './suite.js';

export function rowPromises(promise: Promises): void {
  promise('finds tokens by code, by system and by both of the same coding', async world => {
    const [a, b, c, d] = [world.ref(), world.ref(), world.ref(), world.ref()];
    await world.put(a, [token('code', 'x', 'urn:one', 1), token('code', 'y', 'urn:two', 2)]);
    await world.put(b, [token('code', 'x', 'urn:two')]);
    await world.put(c, [token('code', 'x')]);
    await world.put(d, [token('code', 'X', 'urn:one'), token('other', 'x', 'urn:one')]);
    expect(await found(world, leaf('token', 'code', eq('code', 'x')))).toEqual(ids(a, b, c));
    expect(await found(world, leaf('token', 'code', eq('system', 'urn:two')))).toEqual(ids(a, b));
    expect(await found(world, leaf('token', 'code', eq('code', 'x'), eq('system', 'urn:two')))).toEqual(
      ids(b),
    );
    expect(await found(world, leaf('token', 'code', eq('code', 'x'), eq('system', '')))).toEqual(ids(c));
    expect(await found(world, leaf('token', 'code', eq('system', '')))).toEqual(ids(c));
    expect(await found(world, leaf('token', 'code', oneOf('code', 'y', 'X', 'nothing')))).toEqual(ids(a, d));
    expect(
      await found(world, leaf('token', 'code', eq('code', 'x'), oneOf('system', 'urn:one', ''))),
    ).toEqual(ids(a, c));
    expect(await found(world, leaf('token', 'code', prefix('system', 'urn:t')))).toEqual(ids(a, b));
    expect(await found(world, leaf('token', 'code', prefix('code', 'X')))).toEqual(ids(d));
    expect(await found(world, leaf('token', 'code', contains('system', 'one')))).toEqual(ids(a, d));
    expect(await found(world, leaf('token', 'code', oneOf('code')))).toEqual([]);
    expect(await found(world, leaf('token', 'code', eq('system', 'urn:unknown')))).toEqual([]);
    expect(await found(world, leaf('token', 'never', eq('code', 'x')))).toEqual([]);
  });

  promise('finds words, phrases within one text and beginnings of words', async world => {
    const [a, b, c, d] = [world.ref(), world.ref(), world.ref(), world.ref('Observation')];
    await world.put(a, [text('_content', 'chest pain', 'at night'), text('_text', 'zoë 東京')]);
    await world.put(b, [text('_content', 'pain chest pains'), text('_text', 'chest')]);
    await world.put(c, [text('_content', 'nothing')]);
    await world.put(d, [text('_content', 'chest pain')]);
    const has = (value: string, param = '_content'): Node => leaf('words', param, contains('text', value));
    expect(await found(world, has(' chest '))).toEqual(ids(a, b));
    expect(await found(world, has(' chest ', '_text'))).toEqual(ids(b));
    expect(await found(world, has(' chest pain '))).toEqual(ids(a));
    expect(await found(world, has(' chest pain'))).toEqual(ids(a, b));
    expect(await found(world, has(' pain at '))).toEqual([]);
    expect(await found(world, has(' ches'))).toEqual(ids(a, b));
    expect(await found(world, has(' hest'))).toEqual([]);
    expect(await found(world, has(' zoë 東京 ', '_text'))).toEqual(ids(a));
    expect(await found(world, has(' chest ', '_never'))).toEqual([]);
    expect(await found(world, not(has(' chest ')))).toEqual(ids(c));
    expect(await found(world, and(has(' pain '), not(has(' night '))))).toEqual(ids(b));
    expect(await found(world, or(has(' nothing '), has(' chest ', '_text')))).toEqual(ids(b, c));
    const both = leaf('words', '_content', contains('text', ' chest '), contains('text', ' nig'));
    expect(await found(world, both)).toEqual(ids(a));

    await world.put(a, [text('_content', 'chest')]);
    await world.put(b);
    await world.delete(c);
    expect(await found(world, has(' chest '))).toEqual(ids(a));
    expect(await found(world, has(' zoë ', '_text'))).toEqual([]);
    expect(await found(world, has(' nothing '))).toEqual([]);
  });

  promise('finds strings folded, exact, by their beginning and by a part', async world => {
    const [a, b, c] = [world.ref(), world.ref(), world.ref()];
    await world.put(a, [string('name', 'Müller', 2), string('name', 'Anna', 1)]);
    await world.put(b, [string('name', 'MULLER')]);
    await world.put(c, [string('name', 'Mulle\u{10ffff}x')]);
    expect(await found(world, leaf('string', 'name', eq('value', 'muller')))).toEqual(ids(a, b));
    expect(await found(world, leaf('string', 'name', eq('exact', 'MULLER')))).toEqual(ids(b));
    expect(await found(world, leaf('string', 'name', eq('exact', 'muller')))).toEqual([]);
    expect(await found(world, leaf('string', 'name', oneOf('exact', 'Anna', 'MULLER')))).toEqual(ids(a, b));
    expect(await found(world, leaf('string', 'name', prefix('value', 'mul')))).toEqual(ids(a, b, c));
    expect(await found(world, leaf('string', 'name', prefix('value', 'mulle\u{10ffff}')))).toEqual(world.rows.get(name(c))!.some(row => row.kind === 'string' && row.value.startsWith('mulle\u{10ffff}')) ? ids(c) : []); // prettier-ignore
    expect(await found(world, leaf('string', 'name', prefix('value', '')))).toEqual(ids(a, b, c));
    expect(await found(world, leaf('string', 'name', contains('value', 'ulle')))).toEqual(ids(a, b, c));
    expect(await found(world, leaf('string', 'name', contains('exact', 'ü')))).toEqual(ids(a));
    expect(
      await found(
        world,
        leaf('string', 'name', prefix('value', 'mul'), prefix('exact', 'M'), contains('exact', 'ER')),
      ),
    ).toEqual(ids(b));
  });

  promise('finds strings that do not sort, such as texts of codings', async world => {
    const [a, b] = [world.ref(), world.ref()];
    await world.put(a, [
      string('code:text', 'Heart rate', 0),
      token('code:extra', 'p', 'urn:s', 0),
      uri('u:x', 'http://a/b', 0),
    ]);
    await world.put(b, [string('code:text', 'Heart attack', 0)]);
    expect(await found(world, leaf('string', 'code:text', prefix('value', 'heart r')))).toEqual(ids(a));
    expect(await found(world, leaf('string', 'code:text', contains('value', 'att')))).toEqual(ids(b));
    expect(await found(world, not(leaf('string', 'code:text', contains('value', 'att'))))).toEqual(ids(a));
    expect(await found(world, not(leaf('token', 'code:extra', eq('system', 'urn:s'))))).toEqual(ids(b));
    expect(await found(world, not(leaf('uri', 'u:x', prefix('value', 'http://a/'))))).toEqual(ids(b));
  });

  promise('finds uris whole, among several and below one', async world => {
    const [a, b, c] = [world.ref(), world.ref(), world.ref()];
    await world.put(a, [uri('url', 'http://x.org/a')]);
    await world.put(b, [uri('url', 'http://x.org/a/b')]);
    await world.put(c, [uri('url', 'http://X.org/a')]);
    expect(await found(world, leaf('uri', 'url', eq('value', 'http://x.org/a')))).toEqual(ids(a));
    expect(await found(world, leaf('uri', 'url', prefix('value', 'http://x.org/a')))).toEqual(ids(a, b));
    expect(
      await found(world, leaf('uri', 'url', oneOf('value', 'http://x.org/a/b', 'http://X.org/a'))),
    ).toEqual(ids(b, c));
    expect(await found(world, leaf('uri', 'url', contains('value', 'org/a/')))).toEqual(ids(b));
  });

  promise('finds references by target, version of a canonical and type', async world => {
    const [a, b, c, d] = [world.ref(), world.ref(), world.ref(), world.ref()];
    const target = await world.put(world.ref('Organization'));
    await world.put(a, [reference('org', target), reference('org', 'http://else.where/Organization/1')]);
    await world.put(b, [reference('org', 'Organization/not-here')]);
    await world.put(c, [
      reference('uses', 'http://x.org/vs', '1.0'),
      reference('uses', 'http://x.org/vs', '2.0'),
    ]);
    await world.put(d, [reference('uses', 'http://x.org/vs')]);
    expect(await found(world, leaf('reference', 'org', eq('target', name(target))))).toEqual(ids(a));
    expect(
      await found(world, leaf('reference', 'org', oneOf('target', 'Organization/not-here', name(target)))),
    ).toEqual(ids(a, b));
    expect(
      await found(world, leaf('reference', 'org', eq('target', 'http://else.where/Organization/1'))),
    ).toEqual(ids(a));
    expect(await found(world, leaf('reference', 'org', eq('target', 'Organization/never-named')))).toEqual(
      [],
    );
    expect(await found(world, leaf('reference', 'org', prefix('target', 'Organization/')))).toEqual(
      ids(a, b),
    );
    expect(await found(world, leaf('reference', 'org', prefix('target', 'http://else')))).toEqual(ids(a));
    expect(await found(world, leaf('reference', 'uses', eq('target', 'http://x.org/vs')))).toEqual(ids(c, d));
    expect(
      await found(world, leaf('reference', 'uses', eq('target', 'http://x.org/vs'), eq('version', '2.0'))),
    ).toEqual(ids(c));
    expect(await found(world, not(leaf('reference', 'uses', eq('target', 'http://x.org/vs'), eq('version', '')))  )).toEqual(ids(a, b, c)); // prettier-ignore
    expect(await found(world, leaf('reference', 'uses', eq('version', '1.0')))).toEqual(ids(c));
  });

  promise('finds dates by ranges of their ends, open ones too', async world => {
    const day = 86_400_000;
    const [instant, second, one, month, open, several] = Array.from({ length: 6 }, () => world.ref()) as [
      ReturnType<World['ref']>,
      ...ReturnType<World['ref']>[],
    ];
    await world.put(instant, [date('date', 10 * day)]);
    await world.put(second!, [date('date', 11 * day, 11 * day + 999)]);
    await world.put(one!, [date('date', 12 * day, 13 * day - 1)]);
    await world.put(month!, [date('date', 0, 31 * day - 1)]);
    await world.put(open!, [date('date', 20 * day, openHigh)]);
    await world.put(several!, [date('date', openLow, -5 * day, 1), date('date', 40 * day, 41 * day, 2)]);
    const is = async (
      expected: (typeof instant | undefined)[],
      ...where: Parameters<typeof range>[]
    ): Promise<void> => {
      const conditions = where.map(([column, bounds]) => range(column, bounds));
      expect(await found(world, leaf('date', 'date', ...conditions))).toEqual(expected.map(ref => ref!.id));
    };
    await is([instant, second, one, open, several], ['lo', { ge: 10 * day }]);
    await is([second, one, open, several], ['lo', { gt: 10 * day }]);
    await is([instant, month, several], ['lo', { le: 10 * day }]);
    await is([month, several], ['lo', { lt: 10 * day }]);
    await is([one, month, open, several], ['hi', { gt: 11 * day + 999 }]);
    await is([second, one, month, open, several], ['hi', { ge: 11 * day + 999 }]);
    await is([instant, second], ['lo', { ge: 10 * day }], ['hi', { le: 11 * day + 999 }]);
    await is([one, month], ['lo', { le: 12.5 * day }], ['hi', { ge: 12.5 * day }]);
    await is([several], ['hi', { lt: 0 }]);
    await is([], ['lo', { gt: 0 }], ['hi', { lt: 5 * day }]);
    await is([open], ['hi', { ge: openHigh }]);
    // Two conditions of one leaf are for one row, two leaves may be for two.
    expect(
      await found(
        world,
        and(
          leaf('date', 'date', range('hi', { lt: 0 })),
          leaf('date', 'date', range('lo', { ge: 40 * day })),
        ),
      ),
    ).toEqual(ids(several!));
    expect(
      await found(world, leaf('date', 'date', range('hi', { lt: 0 }), range('lo', { ge: 40 * day }))),
    ).toEqual([]);
    expect(await found(world, and(leaf('date', 'date', range('lo', { ge: 11 * day })), leaf('date', 'date', range('lo', { lt: 13 * day }))))).toEqual(ids(second!, one!, several!)); // prettier-ignore
    expect(await found(world, or(leaf('date', 'date', range('lo', { ge: 40 * day })), leaf('date', 'date', range('hi', { lt: 11 * day }))))).toEqual(ids(instant, several!)); // prettier-ignore
  });

  promise('finds numbers and quantities by ranges and unit', async world => {
    const ucum = 'http://unitsofmeasure.org';
    const [a, b, c, d, e] = Array.from({ length: 5 }, () => world.ref()) as [
      ReturnType<World['ref']>,
      ...ReturnType<World['ref']>[],
    ];
    await world.put(a, [
      number('value', 5.35, 5.45, { system: ucum, code: 'mg' }),
      number('value', 5.35, 5.45, { code: 'milligram' }, 0),
    ]);
    await world.put(b!, [number('value', 5.4, 5.4, { system: ucum, code: 'g' })]);
    await world.put(c!, [number('value', -1.7976931348623157e308, 3)]);
    await world.put(d!, [number('value', 100, 1.7976931348623157e308, { system: ucum, code: 'mg' })]);
    await world.put(e!, [number('value', -2, 1e12)]);
    expect(
      await found(world, leaf('number', 'value', range('lo', { ge: 5.35 }), range('hi', { le: 5.45 }))),
    ).toEqual(ids(a, b!));
    expect(await found(world, leaf('number', 'value', range('hi', { gt: 5.4 })))).toEqual(ids(a, d!, e!));
    expect(await found(world, leaf('number', 'value', range('lo', { lt: 5.4 })))).toEqual(ids(a, c!, e!));
    expect(
      await found(
        world,
        leaf('number', 'value', range('hi', { gt: 5 }), eq('system', ucum), eq('code', 'mg')),
      ),
    ).toEqual(ids(a, d!));
    expect(
      await found(world, leaf('number', 'value', range('lo', { lt: 6 }), eq('code', 'milligram'))),
    ).toEqual(ids(a));
    expect(await found(world, leaf('number', 'value', eq('code', ''), eq('system', '')))).toEqual(
      ids(c!, e!),
    );
    expect(
      await found(world, leaf('number', 'value', range('lo', { le: 0 }), range('hi', { ge: 0 }))),
    ).toEqual(ids(c!, e!));
    expect(await found(world, not(leaf('number', 'value', range('hi', { gt: 5.4 }))))).toEqual(ids(b!, c!));
  });

  promise('finds composites by the columns of one occurrence', async world => {
    const code = (text: string) => ({ kind: 'token', system: 'urn:c', code: text }) as const;
    const value = (n: number) => ({ kind: 'number', lo: n, hi: n, system: '', code: 'mg' }) as const;
    const [a, b, c] = [world.ref(), world.ref(), world.ref()];
    await world.put(a, [composite('pair', code('x'), value(1)), composite('pair', code('y'), value(9))]);
    await world.put(b, [composite('pair', code('x'), value(9))]);
    await world.put(c, [composite('when', code('x'), { kind: 'date', lo: 5, hi: 8 }), composite('kinds', code('x'), code('z')), composite('text', { kind: 'reference', target: 'Group/1', version: '' }, { kind: 'string', value: 'abc', exact: 'ABC' })]); // prettier-ignore
    const pair = (...where: Parameters<typeof leaf>[2][]): ReturnType<typeof leaf> =>
      leaf('composite', 'pair', ...where);
    expect(await found(world, pair(eq('0.code', 'x'), range('1.lo', { gt: 5 })))).toEqual(ids(b));
    expect(await found(world, pair(eq('0.code', 'x'), range('1.hi', { gt: 0 }), eq('1.code', 'mg')))).toEqual(
      ids(a, b),
    );
    expect(await found(world, pair(eq('0.system', 'urn:c'), range('1.hi', { ge: 9 })))).toEqual(ids(a, b));
    expect(
      await found(world, pair(oneOf('0.code', 'y', 'z'), eq('0.system', 'urn:c'), range('1.lo', { le: 9 }))),
    ).toEqual(ids(a));
    expect(await found(world, pair(eq('0.code', 'x'), eq('1.code', 'g')))).toEqual([]);
    expect(await found(world, not(pair(eq('0.code', 'x'), range('1.lo', { gt: 5 }))))).toEqual(ids(a, c));
    expect(
      await found(
        world,
        leaf('composite', 'when', eq('0.code', 'x'), range('1.lo', { le: 6 }), range('1.hi', { ge: 6 })),
      ),
    ).toEqual(ids(c));
    expect(
      await found(
        world,
        leaf('composite', 'kinds', eq('0.code', 'x'), eq('1.code', 'z'), eq('1.system', 'urn:c')),
      ),
    ).toEqual(ids(c));
    expect(
      await found(
        world,
        leaf('composite', 'text', eq('0.target', 'Group/1'), prefix('1.value', 'ab'), eq('1.exact', 'ABC')),
      ),
    ).toEqual(ids(c));
    expect(await found(world, leaf('composite', 'pair'))).toEqual(ids(a, b));
  });

  promise('keeps texts apart that a careless store would join', async world => {
    const codes = [
      'a',
      'A',
      'a ',
      ' a',
      'ä',
      'ａ',
      "a'b",
      'a"b',
      'a\\b',
      'a%',
      'a_',
      '$a',
      'a.b',
      'a|b',
      'a\u0000b',
      'a\nb',
      '',
      '0',
      '1',
      '01',
      '1.0',
      'null',
      'true',
      '\u{1f600}',
      '*',
      '^a',
      '.*',
    ];
    const refs = codes.map(() => world.ref());
    await world.commit(
      ...refs.map((ref, i) => world.write(ref, [token('t', codes[i]!, codes[i]), uri('u', codes[i]!)])),
    );
    for (const [i, code] of codes.entries()) {
      expect(await found(world, leaf('token', 't', eq('code', code)))).toEqual([refs[i]!.id]);
      expect(await found(world, leaf('uri', 'u', eq('value', code)))).toEqual([refs[i]!.id]);
      const starting = refs.filter((_, at) => codes[at]!.startsWith(code));
      expect(await found(world, leaf('uri', 'u', prefix('value', code)))).toEqual(ids(...starting));
      const containing = refs.filter((_, at) => codes[at]!.includes(code));
      expect(await found(world, leaf('uri', 'u', contains('value', code)))).toEqual(ids(...containing));
    }
  });
}

// https://hl7.org/fhir/R4/resource.html#Meta
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { sameContent, stamp } from '../../src/fhir/stamp.js';

const resource = (text: string): Resource => parseJson(text) as Resource;
const given = { id: 'x1', version: 3, lastUpdated: Date.UTC(2026, 8, 1, 12, 30, 0, 7) };
const stamped = (text: string): string => Buffer.from(stamp(resource(text), given)).toString('utf8');

describe('stamp', () => {
  it('puts type, id and meta first and leaves the rest in its order', () => {
    expect(
      stamped(
        '{"status":"final","resourceType":"Observation","valueQuantity":{"value":1.00},"id":"old","_status":{"id":"é"}}',
      ),
    ).toBe(
      '{"resourceType":"Observation","id":"x1","meta":{"versionId":"3","lastUpdated":"2026-09-01T12:30:00.007Z"},' +
        '"status":"final","valueQuantity":{"value":1.00},"_status":{"id":"é"}}',
    );
  });
  it('keeps the meta it does not own', () => {
    const meta =
      '{"lastUpdated":"1999-01-01T00:00:00Z","_lastUpdated":{"id":"a"},"profile":["http://p"],"versionId":"9","tag":[{"code":"t"}]}';
    expect(stamped(`{"resourceType":"Patient","meta":${meta}}`)).toBe(
      '{"resourceType":"Patient","id":"x1","meta":{"versionId":"3","lastUpdated":"2026-09-01T12:30:00.007Z","profile":["http://p"],"tag":[{"code":"t"}]}}',
    );
  });
  it('leaves the resource as it was', () => {
    const before = resource('{"resourceType":"Patient","meta":{"versionId":"9"}}');
    stamp(before, given);
    expect(before).toStrictEqual({ resourceType: 'Patient', meta: { versionId: '9' } });
  });
});

describe('sameContent', () => {
  const same = (a: string, b: string): boolean =>
    sameContent(
      resource(`{"resourceType":"Observation",${a}}`),
      resource(`{"resourceType":"Observation",${b}}`),
    );
  it('does not see version, time and the order of properties', () => {
    expect(
      same(
        '"id":"1","meta":{"versionId":"1","lastUpdated":"2020"},"status":"final"',
        '"status":"final","id":"1"',
      ),
    ).toBe(true);
    expect(same('"meta":{"versionId":"1","tag":[{"code":"a"}]}', '"meta":{"tag":[{"code":"a"}]}')).toBe(true);
  });
  it.each([
    ['another tag', '"meta":{"tag":[{"code":"a"}]}', '"meta":{"tag":[{"code":"b"}]}'],
    ['a tag lost', '"meta":{"tag":[{"code":"a"}]}', '"status":"final"'],
    ['another order of items', '"note":[{"text":"a"},{"text":"b"}]', '"note":[{"text":"b"},{"text":"a"}]'],
    ['another precision', '"valueQuantity":{"value":1.0}', '"valueQuantity":{"value":1.00}'],
    ['one property more', '"status":"final"', '"status":"final","issued":"2020"'],
    ['another id', '"id":"1"', '"id":"2"'],
    ['a number for a string', '"a":"1"', '"a":1'],
  ])('sees %s', (_, a, b) => {
    expect(same(a, b)).toBe(false);
    expect(same(b, a)).toBe(false);
    expect(same(a, a)).toBe(true);
  });
});

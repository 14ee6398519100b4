// https://hl7.org/fhir/R4/search.html#summary
import { describe, expect, it } from 'vitest';
import { pickElements, summarize } from '../../src/fhir/elements.js';
import { parseJson, writeJson, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';

const patient = parseJson(`{
  "resourceType": "Patient", "id": "1", "meta": {"versionId": "2", "tag": [{"code": "mine"}]}, "implicitRules": "http://r",
  "text": {"status": "generated", "div": "<div>x</div>"}, "extension": [{"url": "e", "valueDecimal": 1.50}],
  "modifierExtension": [{"url": "m", "valueDecimal": 1.00}],
  "active": true, "_active": {"id": "a"}, "name": [{"family": "F", "_family": {"id": "f"}, "extension": [{"url": "e"}]}],
  "deceasedBoolean": false, "maritalStatus": {"text": "m"}, "photo": [{"contentType": "image/png", "data": "AAAA"}],
  "link": [{"other": {"reference": "Patient/2"}, "type": "refer", "extension": [{"url": "e"}]}, {"extension": [{"url": "e"}]}],
  "contact": [{"gender": "male"}]
}`) as Resource;
const observation = parseJson(`{
  "resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "c"}, "subject": {"reference": "Patient/1"},
  "valueQuantity": {"value": 1.00, "unit": "kg"}, "method": {"text": "m"}, "text": {"status": "empty", "div": "<div/>"}
}`) as Resource;

const subsetted = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  code: 'SUBSETTED',
  display: 'subsetted',
};

describe('summarize', () => {
  it('true keeps what the definitions mark, at every level, and modifiers', () => {
    expect(writeJson(summarize(patient, 'true'))).toBe(
      writeJson({
        resourceType: 'Patient',
        id: '1',
        meta: { versionId: '2', tag: [{ code: 'mine' }, subsetted] },
        implicitRules: 'http://r',
        modifierExtension: (patient as JsonObject)['modifierExtension']!,
        active: true,
        _active: { id: 'a' },
        name: [{ family: 'F', _family: { id: 'f' } }],
        deceasedBoolean: false,
        link: [{ other: { reference: 'Patient/2' }, type: 'refer' }],
      }),
    );
  });
  it('true keeps decimals as they are', () => {
    expect(writeJson(summarize(observation, 'true'))).toContain('"valueQuantity":{"value":1.00,"unit":"kg"}');
    expect(writeJson(summarize(observation, 'true'))).not.toContain('method');
  });
  it('true summarizes the resources of a Bundle by their own types', () => {
    const bundle = { resourceType: 'Bundle', type: 'collection', entry: [{ resource: observation }] };
    const [entry] = summarize(bundle, 'true')['entry'] as JsonObject[];
    expect(Object.keys(entry!['resource'] as JsonObject)).toEqual([
      'resourceType',
      'id',
      'status',
      'code',
      'subject',
      'valueQuantity',
    ]);
  });
  it('text keeps the narrative and what is mandatory', () => {
    expect(Object.keys(summarize(observation, 'text'))).toEqual([
      'resourceType',
      'id',
      'meta',
      'status',
      'code',
      'text',
    ]);
  });
  it('data drops the narrative alone', () => {
    expect(Object.keys(summarize(observation, 'data'))).toEqual([
      'resourceType',
      'id',
      'meta',
      'status',
      'code',
      'subject',
      'valueQuantity',
      'method',
    ]);
  });
  it.each(['true', 'text', 'data'] as const)('%s tags once and leaves the original alone', mode => {
    const before = writeJson(patient);
    const once = summarize(patient, mode);
    expect((once['meta'] as JsonObject)['tag']).toEqual([{ code: 'mine' }, subsetted]);
    expect((summarize(once, mode)['meta'] as JsonObject)['tag']).toEqual([{ code: 'mine' }, subsetted]);
    expect(writeJson(patient)).toBe(before);
  });
});

describe('pickElements', () => {
  const names = (resource: Resource, ...elements: string[]): string[] =>
    Object.keys(pickElements(resource, elements));
  it('keeps the named, the mandatory, id and meta', () => {
    expect(names(observation, 'subject')).toEqual([
      'resourceType',
      'id',
      'meta',
      'status',
      'code',
      'subject',
    ]);
    expect(pickElements(observation, ['subject'])['meta']).toEqual({ tag: [subsetted] });
  });
  it.each(['value', 'value[x]', 'valueQuantity', 'Observation.value', ' value', 'value.unit'])(
    'knows a choice as "%s"',
    element => {
      expect(writeJson(pickElements(observation, [element])['valueQuantity']!)).toBe(
        '{"value":1.00,"unit":"kg"}',
      );
    },
  );
  it('keeps the siblings of primitives and what changes the meaning', () => {
    expect(names(patient, 'active')).toEqual([
      'resourceType',
      'id',
      'meta',
      'implicitRules',
      'modifierExtension',
      'active',
      '_active',
    ]);
  });
  it('takes what is said of a type for that type only', () => {
    expect(names(patient, 'Patient.name', 'Observation.code')).not.toContain('active');
    expect(pickElements(patient, ['Observation.code'])).toBe(patient);
    expect(names(patient, 'Observation.code', 'id')).toEqual([
      'resourceType',
      'id',
      'meta',
      'implicitRules',
      'modifierExtension',
    ]);
  });
  it('ignores elements that are not there', () => {
    expect(names(observation, 'nothing', '__proto__')).toEqual([
      'resourceType',
      'id',
      'meta',
      'status',
      'code',
    ]);
  });
});

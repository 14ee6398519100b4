// $validate as a client sees it: by instance, type and profile, in each mode, in a batch.
// https://hl7.org/fhir/R4/resource-operation-validate.html
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { onEveryStore, type Answer } from '../system.js';

interface Issue {
  readonly severity: string;
  readonly code: string;
  readonly expression?: readonly string[];
  readonly details: { readonly text: string };
}
const errorsIn = (body: { issue?: Issue[] }): string[] =>
  (body.issue ?? [])
    .filter(({ severity }) => severity === 'error')
    .map(({ code, expression }) => `${code} ${expression?.[0] ?? ''}`);

const patient = { resourceType: 'Patient', name: [{ family: 'Mokoena' }], gender: 'female' };
const odd = {
  resourceType: 'Patient',
  contact: [{ gender: 'male' }],
  link: [{ other: { reference: 'Observation/1' }, type: 'seealso' }],
};
const vitals = {
  resourceType: 'Observation',
  status: 'final',
  category: [
    {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }],
    },
  ],
  code: { coding: [{ system: 'http://loinc.org', code: '29463-7' }] },
  subject: { reference: 'Patient/1' },
  effectiveDateTime: '2026-01-04',
  valueQuantity: { value: 61, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' },
};
const parameters = (...parameter: unknown[]): unknown => ({ resourceType: 'Parameters', parameter });
const weight = 'http://hl7.org/fhir/StructureDefinition/bodyweight';

onEveryStore('$validate', {}, tsela => {
  const send = (url: string, body?: unknown): Promise<Answer> =>
    tsela().send(body === undefined ? 'GET' : 'POST', url, body);

  it('finds nothing wrong with a good resource', async () => {
    const { status, body } = await send('Patient/$validate', patient);
    expect(status).toBe(200);
    expect(body['resourceType']).toBe('OperationOutcome');
    expect(errorsIn(body)).toEqual([]);
  });

  it('answers 200 with every fault and its place', async () => {
    const { status, body } = await send('Patient/$validate', odd);
    expect(status).toBe(200);
    expect(errorsIn(body).toSorted()).toEqual([
      'invariant Patient.contact[0]',
      'structure Patient.link[0].other',
    ]);
  });

  it('judges a response by the questionnaire that is stored', async () => {
    const questionnaire = {
      resourceType: 'Questionnaire',
      id: 'triage',
      url: 'http://example.org/Questionnaire/triage,1',
      version: '2',
      status: 'active',
      item: [{ linkId: 'fever', type: 'boolean', required: true }],
    };
    const response = (canonical: string, ...item: object[]) => ({
      resourceType: 'QuestionnaireResponse',
      status: 'completed',
      questionnaire: canonical,
      item,
    });
    const asked = 'http://example.org/Questionnaire/triage,1';
    const before = await send('QuestionnaireResponse/$validate', response(asked));
    expect(before.body['issue'].map((issue: { code: string }) => issue.code)).toContain('not-found');
    expect((await tsela().send('PUT', 'Questionnaire/triage', questionnaire)).status).toBe(201);
    const wrong = response(`${asked}|2`, { linkId: 'fever', answer: [{ valueString: 'yes' }] });
    expect(errorsIn((await send('QuestionnaireResponse/$validate', wrong)).body)).toEqual([
      'structure QuestionnaireResponse.item[0].answer[0].value.ofType(string)',
    ]);
    const right = response(asked, { linkId: 'fever', answer: [{ valueBoolean: true }] });
    expect(errorsIn((await send('QuestionnaireResponse/$validate', right)).body)).toEqual([]);
    const other = await send('QuestionnaireResponse/$validate', response(`${asked}|1`));
    expect(other.body['issue'].map((issue: { code: string }) => issue.code)).toContain('not-found');
  });

  it('judges the resource in Parameters by the profile asked for', async () => {
    const url = 'Observation/$validate';
    const asked = { name: 'profile', valueUri: weight };
    const good = await send(url, parameters({ name: 'resource', resource: vitals }, asked));
    expect(errorsIn(good.body)).toEqual([]);
    const resource = { ...vitals, valueQuantity: { ...vitals.valueQuantity, code: 'stone' } };
    const bad = await send(url, parameters({ name: 'resource', resource }, asked));
    expect(errorsIn(bad.body)).toContain('code-invalid Observation.value.ofType(Quantity).code');
    const { subject: _, ...without } = vitals;
    const missing = await send(url, parameters({ name: 'resource', resource: without }, asked));
    expect(errorsIn(missing.body)).toContain('required Observation');
  });

  it('judges by profiles in meta.profile and in the query', async () => {
    const { subject: _, ...without } = vitals;
    const declared = { ...without, meta: { profile: [weight] } };
    expect(errorsIn((await send('Observation/$validate', declared)).body)).toEqual(['required Observation']);
    const asked = await send(`Observation/$validate?profile=${encodeURIComponent(weight)}`, without);
    expect(errorsIn(asked.body)).toEqual(['required Observation']);
  });

  it('says that a profile is not known', async () => {
    const profile = 'http://example.org/StructureDefinition/nowhere';
    const declared = await send('Patient/$validate', { ...patient, meta: { profile: [profile] } });
    expect(declared.body['issue']).toContainEqual(
      expect.objectContaining({ severity: 'warning', code: 'not-found' }),
    );
    const asked = await send(`Patient/$validate?profile=${encodeURIComponent(profile)}`, patient);
    expect(errorsIn(asked.body)).toEqual(['not-found Patient']);
  });

  describe('of what is stored', () => {
    let id: string;
    beforeAll(async () => {
      id = (await tsela().send('POST', 'Patient', patient)).body['id'] as string;
    });

    it('validates the stored version', async () => {
      const { status, body } = await send(`Patient/${id}/$validate`);
      expect(status).toBe(200);
      expect(errorsIn(body)).toEqual([]);
    });

    it('says that an update needs the id', async () => {
      const url = `Patient/${id}/$validate?mode=update`;
      expect(errorsIn((await send(url, { ...patient, id })).body)).toEqual([]);
      expect(errorsIn((await send(url, { ...patient, id: 'other' })).body)).toEqual(['invalid Patient.id']);
    });

    it('judges a deletion', async () => {
      expect((await send(`Patient/${id}/$validate?mode=delete`)).status).toBe(200);
      expect((await send('Patient/nobody/$validate?mode=delete')).status).toBe(404);
    });
  });

  it('judges by profiles stored as resources', async () => {
    const url = `http://example.org/StructureDefinition/named-${Date.now()}`;
    const declared = { ...patient, meta: { profile: [url] }, birthDate: '2001-02-03' };
    expect((await tsela().send('POST', 'Patient', declared)).status).toBe(201);
    const structure = {
      resourceType: 'StructureDefinition',
      url,
      name: 'Named',
      status: 'active',
      kind: 'resource',
      abstract: false,
      type: 'Patient',
      baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
      derivation: 'constraint',
      differential: { element: [{ id: 'Patient.address', path: 'Patient.address', min: 1 }] },
    };
    const made = await tsela().send('POST', 'StructureDefinition', structure);
    expect(made.status).toBe(201);
    const refused = await tsela().send('POST', 'Patient', declared);
    expect(refused.status).toBe(422);
    expect(errorsIn(refused.body)).toEqual(['required Patient']);
    const address = { ...declared, address: [{ city: 'Maseru' }] };
    expect((await tsela().send('POST', 'Patient', address)).status).toBe(201);
    await tsela().send('DELETE', `StructureDefinition/${made.body['id'] as string}`);
    expect((await tsela().send('POST', 'Patient', declared)).status).toBe(201);
  });

  it('judges a write more strictly where the request asks for it', async () => {
    const unknown = { ...patient, extension: [{ url: 'http://example.org/nothing', valueString: 'x' }] };
    const level = (name: string): Record<string, string> => ({ 'x-tsela-validation': name });
    expect((await tsela().send('POST', 'Patient', unknown, level('full'))).status).toBe(201);
    expect((await tsela().send('POST', 'Patient', unknown, level('strict'))).status).toBe(422);
    expect((await tsela().send('POST', 'Patient', odd, level('off'))).status).not.toBe(201);
    expect((await tsela().send('POST', 'Patient', unknown, level('sideways'))).status).toBe(400);
    const request = { method: 'POST', url: 'Patient' };
    const transaction = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ request, resource: unknown }],
    };
    expect((await tsela().send('POST', '', transaction, level('strict'))).status).toBe(422);
    const batch = await tsela().send('POST', '', { ...transaction, type: 'batch' }, level('strict'));
    expect(batch.text).toContain('"422');
  });

  it('refuses what is no resource, no mode, another type', async () => {
    expect((await send('Patient/$validate', '{"resourceType":')).status).toBe(400);
    expect((await send('Patient/$validate', vitals)).status).toBe(400);
    expect((await send('Patient/$validate?mode=sideways', patient)).status).toBe(400);
    expect((await send('Patient/$validate', parameters())).status).toBe(400);
  });

  it('works in a batch', async () => {
    const request = { method: 'POST', url: 'Patient/$validate' };
    const batch = { resourceType: 'Bundle', type: 'batch', entry: [{ request, resource: patient }] };
    const { body } = await send('', batch);
    const entry = (body['entry'] as { response: { status: string; outcome: object } }[])[0]!;
    expect(entry.response.status).toMatch(/^200/);
    expect(entry.response.outcome).toMatchObject({ resourceType: 'OperationOutcome' });
  });
});

const folder = '../shared/data/us-core/';
describe.skipIf(!existsSync(folder))(
  `packages${existsSync(folder) ? '' : ' (skipped: ../shared/data/us-core is not there)'}`,
  () => {
    onEveryStore('$install', { validation: 'gate' }, tsela => {
      const profile = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';

      it('installs a package, whose profiles then hold for writes that declare them', async () => {
        const before = await tsela().send('POST', 'Patient', { ...patient, meta: { profile: [profile] } });
        expect(before.status).toBe(201);
        const content = readFileSync(`${folder}us-core-610.tgz`).toString('base64');
        const answer = await tsela().send(
          'POST',
          'ImplementationGuide/$install',
          parameters({ name: 'npmContent', valueBase64Binary: content }),
        );
        expect(answer.status).toBe(200);
        expect(answer.body['parameter']).toContainEqual({ name: 'name', valueString: 'hl7.fhir.us.core' });
        const after = await tsela().send('POST', 'Patient', { ...patient, meta: { profile: [profile] } });
        expect(after.status).toBe(422);
        expect(errorsIn(after.body)).toEqual(['required Patient']);
        const identifier = [{ system: 'urn:oid:1.2.3', value: '7' }];
        const good = { ...patient, identifier, meta: { profile: [`${profile}|6.1.0`] } };
        expect((await tsela().send('POST', 'Patient', good)).status).toBe(201);
      });

      it('refuses what is no package', async () => {
        const value = Buffer.from('no package').toString('base64');
        const body = parameters({ name: 'npmContent', valueBase64Binary: value });
        expect((await tsela().send('POST', 'ImplementationGuide/$install', body)).status).toBe(400);
        expect((await tsela().send('POST', 'ImplementationGuide/$install', parameters())).status).toBe(400);
      });
    });
  },
);

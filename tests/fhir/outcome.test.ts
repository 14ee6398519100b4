// https://hl7.org/fhir/R4/operationoutcome.html
import { describe, expect, it } from 'vitest';
import { FhirError } from '../../src/errors.js';
import { writeJson } from '../../src/fhir/json.js';
import { allOk, operationOutcome, outcomeOf } from '../../src/fhir/outcome.js';

describe('operationOutcome', () => {
  it('writes severity, code, text and expression', () => {
    const outcome = operationOutcome([
      { severity: 'error', code: 'value', text: 'Not a date.', expression: 'Patient.birthDate' },
      { severity: 'warning', code: 'not-found', text: 'Unknown profile.' },
    ]);
    expect(outcome).toStrictEqual({
      resourceType: 'OperationOutcome',
      issue: [
        {
          severity: 'error',
          code: 'value',
          details: { text: 'Not a date.' },
          expression: ['Patient.birthDate'],
        },
        { severity: 'warning', code: 'not-found', details: { text: 'Unknown profile.' } },
      ],
    });
  });
  it('says All OK where there is no issue, since one is mandatory', () => {
    expect(operationOutcome([])).toStrictEqual(operationOutcome([allOk]));
    expect(operationOutcome([])).toMatchObject({
      issue: [{ severity: 'information', code: 'informational' }],
    });
  });
});

describe('outcomeOf', () => {
  it('gives a FhirError its status, headers and issues', () => {
    const error = new FhirError('not-found', 'There is no Patient/1.', {
      headers: { etag: 'W/"1"' },
      cause: new Error('secret'),
    });
    const { status, headers, outcome } = outcomeOf(error, 'r1');
    expect([status, headers]).toStrictEqual([404, { etag: 'W/"1"' }]);
    expect(outcome).toMatchObject({
      issue: [{ severity: 'error', code: 'not-found', details: { text: 'There is no Patient/1.' } }],
    });
    expect(writeJson(outcome)).not.toContain('secret');
  });
  it.each([
    new Error('secret: /var/lib'),
    new FhirError('internal', 'secret', { headers: { 'x-secret': 'secret' }, cause: new Error('secret') }),
    'secret',
    undefined,
    { message: 'secret', status: 200, code: 'not-found' },
  ])('tells nothing of %s but the request id', thrown => {
    const failure = outcomeOf(thrown, 'request-7');
    expect(failure.status).toBe(500);
    expect(JSON.stringify(failure)).not.toContain('secret');
    expect(failure.outcome).toMatchObject({ issue: [{ severity: 'fatal', code: 'exception' }] });
    expect(JSON.stringify(failure)).toContain('request-7');
  });
});

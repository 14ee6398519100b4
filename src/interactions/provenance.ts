// The X-Provenance header: who or what stands behind a write, stored with it in one commit; the server fills in the
// target. https://hl7.org/fhir/R4/http.html#3.1.0.1.13, https://hl7.org/fhir/R4/provenance.html
import { FhirError } from '../errors.js';
import { newId } from '../fhir/ids.js';
import { isObject, parseJson, type Json, type JsonObject } from '../fhir/json.js';
import { refKey } from '../fhir/resource.js';
import type { Context } from './context.js';
import { checked, labelled, writeOf, type Prepared } from './prepare.js';

const header = 'x-provenance';

/**
 * The writes with the Provenance of all of them, where the request carries one and something is written.
 * @throws FhirError where the header is no Provenance without `target`, or the grant does not let it be created
 */
export async function withProvenance(context: Context, prepared: Prepared): Promise<Prepared> {
  const text = context.request.headers[header];
  if (text === undefined) return prepared;
  const given = provenanceIn(text);
  if (!context.grant.permits('create', 'Provenance'))
    throw new FhirError('forbidden', 'You may not create a Provenance; leave X-Provenance out.');
  if (prepared.writes.length === 0) return prepared;
  const target = prepared.writes.map(({ ref, expected }) => ({
    reference: `${refKey(ref)}/_history/${expected + 1}`,
  }));
  const ref = { type: 'Provenance', id: newId() };
  const provenance = await labelled(context.settings, checked({ ...given, target }, 'Provenance'), ref.id);
  const { write } = writeOf(context.settings, ref, undefined, 'POST', provenance);
  return { ...prepared, writes: [...prepared.writes, write] };
}

function provenanceIn(text: string): JsonObject {
  let value: Json;
  try {
    // Node hands over header bytes as Latin-1; the JSON is UTF-8.
    value = parseJson(Buffer.from(text, 'latin1'));
  } catch (cause) {
    throw new FhirError(
      'invalid-json',
      'X-Provenance is not JSON; it takes a Provenance resource on one line.',
      {
        cause,
      },
    );
  }
  if (!isObject(value) || value['resourceType'] !== 'Provenance')
    throw new FhirError('wrong-type', 'X-Provenance takes a resource of type Provenance.');
  if (value['target'] !== undefined) {
    throw new FhirError(
      'value',
      'The Provenance of X-Provenance has no target: it is what this request writes.',
      {
        expression: 'Provenance.target',
      },
    );
  }
  return value;
}

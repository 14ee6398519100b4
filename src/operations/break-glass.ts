// Patient/[id]/$break-glass: somebody who treats a patient sees past what the patient has closed, for a while, with a
// reason that is written down and told to the patient. https://profiles.ihe.net/ITI/PCF/ Not of R4 itself: docs/consent.md
// Surprising why: it tells that a hidden patient exists. Who may break the glass needs to know that there is one.
import { mayDo } from '../auth/grant.js';
import { byServer } from '../auth/server-writes.js';
import { FhirError } from '../errors.js';
import { instant, newId } from '../fhir/ids.js';
import { objectsOf } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Handler } from '../interactions/context.js';
import { checkId, resourceOf, writeOf } from '../interactions/prepare.js';
import { WriteConflict } from '../storage/store.js';

const shortest = 5;
const longest = 1000;

/** POST Patient/[id]/$break-glass with `reason`. */
export const breakGlass: Handler = async ({ request, grant, settings, store, type, id }) => {
  checkId(id);
  const { consents } = settings;
  const [, account] = /^user:(.+)$/.exec(grant.principal) ?? [];
  if (!mayDo(grant, 'break-glass') || account === undefined || consents === undefined)
    throw new FhirError('forbidden', 'You may not break the glass.');
  const reason = saidIn(resourceOf(request.body, 'Parameters'), 'reason', 'Say why');
  const now = Date.now();
  const until = now + consents.breakGlassMinutes * 60_000;
  const notice = {
    resourceType: 'Communication',
    status: 'completed',
    category: [{ text: 'Notice of access' }],
    subject: { reference: `Patient/${id}` },
    recipient: [{ reference: `Patient/${id}` }],
    ...(grant.agent?.user === undefined ? {} : { sender: { reference: grant.agent.user } }),
    sent: instant(now),
    reasonCode: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'BTG' }] }],
    payload: [
      {
        contentString: `Your record was opened past your consent until ${instant(until)}. The reason given: ${reason}`,
      },
    ],
  };
  const ref = { type: 'Communication', id: newId() };
  const { write } = writeOf(settings, ref, undefined, 'POST', notice);
  try {
    await store.commit([byServer({ ...write, requires: [{ type, id }] })]);
  } catch (error) {
    if (error instanceof WriteConflict && error.reason === 'required')
      throw new FhirError('not-found', `There is no ${type}/${id}.`, { cause: error });
    throw error;
  }
  await consents.breakGlass({ account, patient: id, reason, until });
  return sendResource(
    { status: 200 },
    {
      resourceType: 'Parameters',
      parameter: [
        { name: 'until', valueInstant: instant(until) },
        { name: 'notice', valueReference: { reference: `Communication/${ref.id}` } },
      ],
    },
    request,
  );
};

/** What is said in the parameter. @throws FhirError `required`, which asks for it in these words */
export function saidIn({ parameter }: Resource, name: string, asks: string): string {
  const value = objectsOf(parameter).find(one => one['name'] === name)?.['valueString'];
  const said = typeof value === 'string' ? value.trim() : '';
  if (said.length < shortest || said.length > longest) {
    throw new FhirError(
      'required',
      `${asks} in the parameter "${name}": a valueString of ${shortest} to ${longest} characters.`,
      { expression: 'Parameters.parameter' },
    );
  }
  return said;
}

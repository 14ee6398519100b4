// Who belongs to a group of people, as consents name such groups: a PractitionerRole, a CareTeam, a Group. A membership
// counts while it and the group are active and in their period.
// https://hl7.org/fhir/R4/careteam.html, https://hl7.org/fhir/R4/group.html, https://hl7.org/fhir/R4/practitionerrole.html
import { isObject, objectsOf, parseJson, type Json, type JsonObject } from '../fhir/json.js';
import { FhirError } from '../errors.js';
import { refKey } from '../fhir/resource.js';
import type { Version, Write } from '../storage/store.js';
import { mayDo, type Grant } from './grant.js';
import { localOf, spanOf } from './patient-consent.js';

/** The types whose members a write may change, and the parameter that finds them by a member. */
export const memberParam: Readonly<Record<string, string>> = { CareTeam: 'participant', Group: 'member' };

/**
 * A patient who lets a team see the record does not let in whoever writes themselves into it.
 * @throws FhirError `forbidden` where the write makes the grant's person a member of what is there already
 */
export async function checkJoining(
  { ref, expected, body }: Write,
  grant: Grant,
  replaced: () => Promise<Version | undefined>,
): Promise<void> {
  const { names } = grant;
  if (memberParam[ref.type] === undefined || body === undefined || expected === 0 || names === undefined)
    return;
  const at = Date.now();
  const holds = (bytes: Uint8Array | undefined): boolean =>
    bytes !== undefined && holdsMember(parseJson(bytes) as JsonObject, new Set(names), undefined, at);
  if (!holds(body) || mayDo(grant, 'unlabel') || holds((await replaced())?.body)) return;
  throw new FhirError('forbidden', `You may not make yourself a member of ${refKey(ref)}.`);
}

/** Whether one of those named is a member at the time (ms): of a CareTeam or a Group, or the practitioner of a role. Without bases any is ours. */
export function holdsMember(
  resource: JsonObject,
  names: ReadonlySet<string>,
  bases: readonly string[] | undefined,
  at: number,
): boolean {
  const isNamed = (reference: Json | undefined): boolean => {
    const key = isObject(reference) ? localOf(reference['reference'], bases) : undefined;
    return key !== undefined && names.has(key);
  };
  if (resource['active'] === false || !isIn(resource, at)) return false;
  switch (resource['resourceType']) {
    case 'PractitionerRole':
      return isNamed(resource['practitioner']);
    case 'CareTeam': {
      const { status, participant } = resource;
      const isActive = status === undefined || status === 'active';
      return isActive && objectsOf(participant).some(one => isIn(one, at) && isNamed(one['member']));
    }
    case 'Group':
      return objectsOf(resource['member']).some(
        one => one['inactive'] !== true && isIn(one, at) && isNamed(one['entity']),
      );
    default:
      return false;
  }
}

function isIn(holder: JsonObject, at: number): boolean {
  const { from, to } = spanOf(holder);
  return at >= from && at <= to;
}

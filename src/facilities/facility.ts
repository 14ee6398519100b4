// The facilities of a district, as data: who they are, and which requests and records are theirs.
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';

export interface Facility {
  /** `quthing`: part of its address and the name of its store; it stays. */
  readonly id: string;
  readonly name: string;
  /** Patients with one of these as managingOrganization belong here: `Organization/7`. */
  readonly organizations: readonly string[];
  /** Ids of clients whose requests to the district's address are meant for this facility. */
  readonly clients: readonly string[];
}

const collection = 'facilities';
const idForm = /^[a-z][a-z0-9-]{0,31}$/;
const mostFacilities = 1000;

/** Below the server's origin. */
export const facilityPath = (id: string): string => `/facilities/${id}/fhir`;

const pathForm = /^\/facilities\/([a-z][a-z0-9-]{0,31})\/fhir(?=[/?]|$)/;
/** The path of a facility's FHIR base that a URL begins with. */
export const facilityPathIn = (url: string): string | undefined => pathForm.exec(url)?.[0];

/** By id. */
export async function facilitiesIn(documents: Documents): Promise<readonly Facility[]> {
  const found = await documents.list(collection, { limit: mostFacilities });
  return found.map(({ value }) => value as Facility);
}

/**
 * Adds a facility, or changes one where `isNew` is false.
 * @throws FhirError `value` for an id that cannot be one, `duplicate` for one that is taken or an organization or client of another, `not-found`
 */
export async function putFacility(documents: Documents, facility: Facility, isNew: boolean): Promise<void> {
  if (!idForm.test(facility.id)) {
    throw new FhirError(
      'value',
      `"${facility.id}" cannot be a facility's id: up to 32 of a-z, 0-9 and "-", beginning with a letter.`,
    );
  }
  const others = (await facilitiesIn(documents)).filter(({ id }) => id !== facility.id);
  for (const key of ['organizations', 'clients'] as const) {
    for (const one of facility[key]) {
      const taken = others.find(other => other[key].includes(one));
      if (taken !== undefined)
        throw new FhirError('duplicate', `${one} belongs to the facility ${taken.id} already.`);
    }
  }
  const known = await documents.get(collection, facility.id);
  if (isNew === (known !== undefined)) {
    throw isNew
      ? new FhirError('duplicate', `There is a facility ${facility.id} already.`)
      : new FhirError('not-found', `There is no facility ${facility.id}.`);
  }
  const stored = await documents.put(collection, facility.id, facility, { expected: known?.revision ?? 0 });
  if (stored === undefined) throw new FhirError('conflict', 'The facility was changed meanwhile; try again.');
}

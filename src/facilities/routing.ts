// Which facility a request to the district's address is for, and which a new record belongs to. The rules, in order:
// the facility in the URL, the user's, the client's; for a record, its patient's managing organization, then where its
// patient is.
import type { Ref } from '../fhir/resource.js';
import { ownersIn } from '../search/compartment.js';
import { targetsIn, type Row } from '../search/rows.js';
import type { ServedStore, Write } from '../storage/store.js';
import type { Facility } from './facility.js';
import type { Member } from './federated-store.js';

/** The facility somebody's requests go to; undefined for who may see them all. */
export const facilityOf = (
  asker: { readonly facility?: string; readonly client?: string },
  facilities: readonly Facility[],
): string | undefined =>
  asker.facility ?? facilities.find(({ clients }) => clients.includes(asker.client ?? ''))?.id;

const organizationsIn = (rows: readonly Row[]): readonly string[] => targetsIn(rows, 'organization');

/**
 * The facility a new record belongs to; undefined where nothing tells.
 * @param shared the member that has what belongs to no patient
 */
export async function homeOf(
  { ref, rows }: Pick<Write, 'ref' | 'rows'>,
  {
    facilities,
    members,
    shared,
  }: { facilities: readonly Facility[]; members: readonly Member[]; shared: string },
): Promise<string | undefined> {
  if (ref.type === 'Patient') {
    const managing = organizationsIn(rows);
    return facilities.find(({ organizations }) => organizations.some(one => managing.includes(one)))?.id;
  }
  const [patient] = ownersIn('Patient', ref.type, rows);
  if (patient === undefined) return shared;
  const has = async (store: ServedStore, one: Ref): Promise<boolean> =>
    (await store.read(one))?.body !== undefined;
  for (const { facility, store } of members)
    if (await has(store, { type: 'Patient', id: patient })) return facility;
  return undefined;
}

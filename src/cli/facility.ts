// tsela facility: which facilities the district has. Works on the documents of the store, also while a server runs,
// which sees a new facility within seconds.
import { facilitiesIn, facilityPath, putFacility, type Facility } from '../facilities/facility.js';
import { withDocuments, type DataOptions } from './target.js';

export interface FacilityOptions extends DataOptions {
  readonly name?: string;
  readonly organization?: readonly string[];
  readonly client?: readonly string[];
}

const reference = (text: string): string => (text.includes('/') ? text : `Organization/${text}`);

export async function addFacility(id: string, options: FacilityOptions): Promise<number> {
  const facility: Facility = {
    id,
    name: options.name ?? id,
    organizations: (options.organization ?? []).map(reference),
    clients: options.client ?? [],
  };
  await withDocuments(options, documents => putFacility(documents, facility, true));
  process.stdout.write(`Added ${facility.name}; its FHIR base is ${facilityPath(id)}.\n`);
  return 0;
}

export async function changeFacility(id: string, options: FacilityOptions): Promise<number> {
  await withDocuments(options, async documents => {
    const known = (await facilitiesIn(documents)).find(one => one.id === id);
    const changed: Facility = {
      id,
      name: options.name ?? known?.name ?? id,
      organizations: options.organization?.map(reference) ?? known?.organizations ?? [],
      clients: options.client ?? known?.clients ?? [],
    };
    await putFacility(documents, changed, false);
  });
  process.stdout.write(`Changed ${id}.\n`);
  return 0;
}

export async function listFacilities(options: DataOptions): Promise<number> {
  for (const { id, name, organizations, clients } of await withDocuments(options, facilitiesIn))
    process.stdout.write(
      `${[id, name, facilityPath(id), organizations.join(' '), clients.join(' ')].join('\t')}\n`,
    );
  return 0;
}

// What the pages of the authorization server need to know of the records: whom a launch can be about. Answered under the
// grant of whoever signs in, so that nobody can choose what they may not see.
import type { Json, JsonObject } from '../fhir/json.js';
import { escaped } from '../search/types/search-type.js';
import type { Choice } from './consent.js';
import type { Grant } from './grant.js';
import type { Identity, User } from './identity.js';

export interface Directory {
  /** At most twenty patients with this name or identifier; without a text, any. */
  patients(base: string, grant: Grant, text: string): Promise<readonly Choice[]>;
  patient(base: string, grant: Grant, id: string): Promise<Choice | undefined>;
  /** The latest encounters of a patient; with an id, that one. */
  encounters(base: string, grant: Grant, patient: string, id?: string): Promise<readonly Choice[]>;
}

/** What a person may do: compiled from who they are and the scopes they act with. */
export type CompileGrant = (identity: Identity) => Promise<Grant>;

/** For whom the pages look at records: the person alone, with what they may see of patients and visits. */
export const ownGrant = (user: User): Identity => ({
  sub: user.account,
  clientId: 'sign-in',
  user,
  scopes: ['user/Patient.rs', 'user/Encounter.rs'],
  grantId: 'sign-in',
});

/** A search of the records under a grant; the resources it finds, and none where it is refused. */
export type Ask = (
  base: string,
  grant: Grant,
  type: string,
  query: readonly (readonly [string, string])[],
) => Promise<readonly JsonObject[]>;

export function createDirectory(ask: Ask): Directory {
  return {
    async patients(base, grant, text) {
      const words = text.trim();
      const most = ['_count', '20'] as const;
      if (words === '') return (await ask(base, grant, 'Patient', [most])).map(patientChoice);
      const found = [
        ...(await ask(base, grant, 'Patient', [most, ...words.split(/\s+/).map(word => ['name', escaped(word)] as const)])), // prettier-ignore
        ...(await ask(base, grant, 'Patient', [most, ['identifier', escaped(words)]])),
      ].map(patientChoice);
      return [...new Map(found.map(choice => [choice.id, choice])).values()].slice(0, 20);
    },
    async patient(base, grant, id) {
      const [found] = await ask(base, grant, 'Patient', [['_id', id]]);
      return found && patientChoice(found);
    },
    async encounters(base, grant, patient, id) {
      const query = [
        ['patient', `Patient/${patient}`],
        ['_sort', '-date'],
        ['_count', '20'],
        ...(id === undefined ? [] : [['_id', id] as const]),
      ] as const;
      return (await ask(base, grant, 'Encounter', query)).map(({ id: found, period, status }) => ({
        id: textIn(found),
        title: textIn((period as JsonObject | undefined)?.['start']).slice(0, 16) || textIn(found),
        detail: textIn(status),
      }));
    },
  };
}

const textIn = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
const listIn = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

function patientChoice({ id, name, birthDate, gender, identifier }: JsonObject): Choice {
  const first = (listIn(name)[0] ?? {}) as JsonObject;
  const full = [...listIn(first['given']).map(textIn), textIn(first['family'])].filter(part => part !== '');
  const number = textIn(((listIn(identifier)[0] ?? {}) as JsonObject)['value']);
  const detail = [textIn(birthDate), textIn(gender), number].filter(part => part !== '');
  const title = full.length > 0 ? full.join(' ') : textIn(first['text']);
  return { id: textIn(id), title: title === '' ? textIn(id) : title, detail: detail.join(', ') };
}

// What a person (or an EHR on their behalf) approved: for which app, with which scopes, in which context. Every token
// refers to one approval, and two launches of the same app are two approvals, each with its own patient.
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
import { FhirError } from '../errors.js';
import type { JsonObject } from '../fhir/json.js';
import type { Documents } from '../storage/documents.js';
import type { Ended } from './ended.js';
import { collectionOf, endGrant } from './oidc-adapter.js';
import { hashed, randomText } from './secrets.js';

/** The launch context as it is sent beside the access token; absent parts are not sent. */
export interface LaunchContext {
  readonly patient?: string;
  readonly encounter?: string;
  readonly fhirContext?: readonly JsonObject[];
  readonly need_patient_banner?: boolean;
  readonly intent?: string;
  readonly smart_style_url?: string;
  readonly tenant?: string;
}

export interface Approval {
  /** The library's name of it; every token has it. */
  readonly grantId: string;
  readonly account: string;
  /** Who that is in the records, relative. */
  readonly fhirUser: string;
  readonly clientId: string;
  /** The FHIR base it is for. */
  readonly aud: string;
  readonly scopes: readonly string[];
  readonly context: LaunchContext;
  /** The login session it ends with; absent where it outlives it. */
  readonly session?: string;
  readonly created: number;
}

export interface Approvals {
  put(approval: Approval, expires: number): Promise<void>;
  find(account: string, grantId: string): Promise<Approval | undefined>;
  /** Those that are in force. */
  of(account: string): Promise<readonly Approval[]>;
  /** Ends everything that was issued under it. */
  end(approval: Approval): Promise<void>;
}

const collection = 'approvals';
const keyOf = (account: string, grantId: string): string => `${account}/${hashed(grantId)}`;

export const openApprovals = (documents: Documents, onEnded: (what: Ended) => void): Approvals => ({
  async put(approval, expires) {
    await documents.put(collection, keyOf(approval.account, approval.grantId), approval, { expires });
  },
  async find(account, grantId) {
    return (await documents.get(collection, keyOf(account, grantId)))?.value as Approval | undefined;
  },
  async of(account) {
    const all = (await documents.list(collection, { prefix: `${account}/` })).map(
      ({ value }) => value as Approval,
    );
    const alive = await Promise.all(
      all.map(
        async ({ grantId }) => (await documents.get(collectionOf('Grant'), hashed(grantId))) !== undefined,
      ),
    );
    return all.filter((_, i) => alive[i]);
  },
  async end({ grantId }) {
    await endGrant(documents, grantId, onEnded);
  },
});

/** What the EHR hands to an app to start it in a context: single use, five minutes, for one app and one user. */
export interface Launch {
  readonly clientId: string;
  readonly aud: string;
  readonly account: string;
  readonly context: LaunchContext;
}

export interface Launches {
  /** The value of the `launch` parameter. */
  start(launch: Launch): Promise<string>;
  find(value: string): Promise<Launch | undefined>;
  /** Of several callers one gets it. */
  take(value: string): Promise<Launch | undefined>;
}

const launches = 'launches';
const launchFor = 5 * 60_000;

export const openLaunches = (documents: Documents): Launches => ({
  async start(launch) {
    const value = randomText();
    await documents.put(launches, hashed(value), launch, { expires: Date.now() + launchFor });
    return value;
  },
  find: async value => (await documents.get(launches, hashed(value)))?.value as Launch | undefined,
  take: async value => (await documents.take(launches, hashed(value)))?.value as Launch | undefined,
});

export const contextKeys: ReadonlySet<string> = new Set([
  'patient',
  'encounter',
  'fhirContext',
  'need_patient_banner',
  'intent',
  'smart_style_url',
  'tenant',
]);
const id = /^[A-Za-z0-9.-]{1,64}$/;
const relative = /^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/;

/** A launch context from outside. @throws FhirError `value` naming the part that is wrong */
export function readLaunchContext(given: JsonObject): LaunchContext {
  const refuse = (part: string, accepted: string): never => {
    throw new FhirError('value', `${part}: ${accepted}.`);
  };
  for (const key of Object.keys(given))
    if (!contextKeys.has(key))
      refuse(key, `not part of a launch context; ${[...contextKeys].join(', ')} are`);
  for (const key of ['patient', 'encounter'])
    if (given[key] !== undefined && !(typeof given[key] === 'string' && id.test(given[key])))
      refuse(key, 'the id of a resource is expected');
  for (const key of ['intent', 'smart_style_url', 'tenant'])
    if (given[key] !== undefined && typeof given[key] !== 'string') refuse(key, 'text is expected');
  if (given['smart_style_url'] !== undefined && !URL.canParse(given['smart_style_url'] as string))
    refuse('smart_style_url', 'an absolute URL is expected');
  if (given['need_patient_banner'] !== undefined && typeof given['need_patient_banner'] !== 'boolean')
    refuse('need_patient_banner', 'true or false is expected');
  if (given['fhirContext'] !== undefined) {
    const list = given['fhirContext'];
    if (!Array.isArray(list)) refuse('fhirContext', 'an array is expected');
    for (const [i, item] of (list as readonly unknown[]).entries())
      checkContextItem(item, `fhirContext[${i}]`, refuse);
  }
  return given;
}

function checkContextItem(
  item: unknown,
  at: string,
  refuse: (part: string, accepted: string) => never,
): void {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) refuse(at, 'an object is expected');
  const { reference, canonical, identifier, role, type } = item as Record<string, unknown>;
  if (reference === undefined && canonical === undefined && identifier === undefined)
    refuse(at, 'one of reference, canonical and identifier is expected');
  if (reference !== undefined && !(typeof reference === 'string' && relative.test(reference)))
    refuse(`${at}.reference`, 'a relative reference is expected');
  if (canonical !== undefined && typeof canonical !== 'string')
    refuse(`${at}.canonical`, 'a URL is expected');
  if (type !== undefined && typeof type !== 'string') refuse(`${at}.type`, 'a resource type is expected');
  if (role !== undefined && !(typeof role === 'string' && (role === 'launch' || URL.canParse(role))))
    refuse(`${at}.role`, 'launch or an absolute URI is expected');
  if (
    typeof reference === 'string' &&
    /^(?:Patient|Encounter)\//.test(reference) &&
    (role === undefined || role === 'launch')
  )
    refuse(
      at,
      'the patient and the encounter in context are parameters of their own, unless they have another role',
    );
}

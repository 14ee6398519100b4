// Patient/[id]/$disclosures: who has seen or changed this patient's record, when, and why, for the patient. Made from
// AuditEvents, without what they say of others: one event can tell of several patients, so patients do not read them.
// https://hl7.org/fhir/R4/auditevent.html, docs/consent.md
import { mayDo } from '../auth/grant.js';
import { FhirError } from '../errors.js';
import { isObject, objectsOf, type Json, type JsonObject } from '../fhir/json.js';
import { refKey, type Resource } from '../fhir/resource.js';
import { sendBytes } from '../interactions/answer.js';
import { bundleBytes } from '../interactions/bundle.js';
import type { Handler } from '../interactions/context.js';
import { checkId, resourceIn } from '../interactions/prepare.js';
import { openCursor, sealCursor } from '../search/page.js';
import { parseCriteria } from '../search/parse.js';
import type { Position } from '../search/plan.js';

/** GET Patient/[id]/$disclosures, newest first; `_count`, `date`. */
export const disclosures: Handler = async ({ request, grant, settings, store, type, id }) => {
  checkId(id);
  if (!mayDo(grant, 'disclosures')) throw new FhirError('forbidden', 'You may not see who was told what.');
  if ((await store.read({ type, id })) === undefined)
    throw new FhirError('not-found', `There is no ${type}/${id}.`);
  if (settings.disclosures === undefined)
    throw new FhirError('not-supported', 'This server writes no audit trail.');
  const path = `${type}/${id}/$disclosures`;
  const sealed = request.query.find(([name]) => name === '_cursor')?.[1];
  const opened =
    sealed === undefined ? undefined : openCursor(settings.cursorKey, sealed, { grant: grant.id, path });
  const params = opened?.params ?? request.query.filter(([name]) => name !== '_format' && name !== '_pretty');
  let count = settings.defaultCount;
  const criteria = [`patient=${encodeURIComponent(`${type}/${id}`)}`];
  for (const [name, value] of params) {
    if (name === '_count' && /^[1-9]\d{0,8}$/.test(value)) count = Math.min(Number(value), settings.maxCount);
    else if (name === 'date') criteria.push(`date=${encodeURIComponent(value)}`);
    else throw new FhirError('invalid-search', `$disclosures takes _count and date, not "${name}=${value}".`);
  }
  const plan = {
    ...parseCriteria('AuditEvent', criteria.join('&'), settings),
    sort: [{ param: 'date', kind: 'date' as const, descending: true }],
    count,
    ...(opened === undefined ? {} : { after: opened.position }),
  };
  const { versions, next } = await settings.disclosures(plan);
  const link = (query: readonly (readonly [string, string])[]): string =>
    `${request.base}/${path}${query.length === 0 ? '' : `?${new URLSearchParams(query.map(([a, b]): [string, string] => [a, b])).toString()}`}`;
  const sealAt = (position: Position): string =>
    sealCursor(settings.cursorKey, { position, params, grant: grant.id, path });
  const bytes = bundleBytes(
    {
      type: 'searchset',
      lastUpdated: Date.now(),
      links: [
        { relation: 'self', url: link(params) },
        ...(next === undefined ? [] : [{ relation: 'next', url: link([['_cursor', sealAt(next)]]) }]),
      ],
    },
    versions.map(version => ({
      fullUrl: `${request.base}/${refKey(version.ref)}`,
      resource: aboutOne(resourceIn(version), `${type}/${id}`),
    })),
  );
  return { ...sendBytes({ status: 200, headers: {} }, bytes, request), disclosed: [] };
};

/** The event without other patients, their records, what was searched for, and network addresses. */
function aboutOne(event: Resource, patient: string): Resource {
  const entities = objectsOf(event['entity']);
  const others = entities.filter(entity => isPatient(entity) && !isOf(entity, patient));
  const own = entities.filter(
    entity =>
      isOf(entity, patient) || (others.length === 0 && entity['query'] === undefined && hasReference(entity)),
  );
  const { resourceType, id, type, subtype, action, recorded, outcome, source } = event;
  const kept: Record<string, Json | undefined> = { type, subtype, action, recorded, outcome };
  return {
    resourceType,
    id: id!,
    ...Object.fromEntries(Object.entries(kept).filter(([, value]) => value !== undefined)),
    agent: objectsOf(event['agent']).map(({ network: _network, ...agent }) => agent),
    source: source!,
    entity: own,
  };
}

const referenceOf = (entity: JsonObject): string =>
  isObject(entity['what']) && typeof entity['what']['reference'] === 'string'
    ? entity['what']['reference']
    : '';
const hasReference = (entity: JsonObject): boolean => referenceOf(entity) !== '';
const isPatient = (entity: JsonObject): boolean => referenceOf(entity).startsWith('Patient/');
const isOf = (entity: JsonObject, patient: string): boolean => {
  const reference = referenceOf(entity);
  return reference === patient || reference.startsWith(`${patient}/`);
};

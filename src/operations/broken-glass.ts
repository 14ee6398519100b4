// AuditEvent/$broken-glass and AuditEvent/[id]/$reviewed: accesses past a patient's consent that nobody has looked at yet,
// and that somebody has. Not of R4 itself: docs/consent.md
// Surprising why: the audit trail is never changed, so a review is an event of its own that refers to the first; a claim
// keeps it the only one.
import { FhirError } from '../errors.js';
import { instant, newId, now } from '../fhir/ids.js';
import { inside, objectsOf } from '../fhir/json.js';
import { refKey, type Resource } from '../fhir/resource.js';
import { sendBytes, sendResource } from '../interactions/answer.js';
import { bundleBytes } from '../interactions/bundle.js';
import type { Handler } from '../interactions/context.js';
import { checkId, resourceIn, resourceOf, writeOf } from '../interactions/prepare.js';
import { and, not, type Node } from '../search/plan.js';
import { equal, leaf } from '../search/types/search-type.js';
import { WriteConflict } from '../storage/store.js';
import { saidIn } from './break-glass.js';

const type = 'AuditEvent';
const broken = 'break-glass';
const reviewed = 'break-glass-review';
const ofKind = (code: string): Node => leaf('token', 'subtype', [equal('code', code)]);
const unreviewed = and(
  ofKind(broken),
  not({ op: 'backlink', type, param: 'entity', node: ofKind(reviewed) }),
);

/** GET AuditEvent/$broken-glass, the oldest first; `_count`. */
export const brokenGlass: Handler = async ({ request, settings, store }) => {
  const [other] = request.query.filter(([name]) => !['_count', '_format', '_pretty'].includes(name));
  if (other !== undefined)
    throw new FhirError('invalid-search', `$broken-glass takes _count, not "${other[0]}".`);
  const asked = request.query.find(([name]) => name === '_count')?.[1] ?? String(settings.defaultCount);
  if (!/^[1-9]\d{0,8}$/.test(asked))
    throw new FhirError('invalid-search', `_count is a number from 1, not "${asked}".`);
  const { versions, total } = await store.search({
    types: [type],
    where: unreviewed,
    sort: [{ param: 'date', kind: 'date', descending: false }],
    count: Math.min(Number(asked), settings.maxCount),
    total: 'accurate',
  });
  const bytes = bundleBytes(
    { type: 'searchset', lastUpdated: Date.now(), ...(total === undefined ? {} : { total }) },
    versions.map(({ ref, body }) => ({
      fullUrl: `${request.base}/${refKey(ref)}`,
      resource: body!,
      search: 'match' as const,
    })),
  );
  return sendBytes({ status: 200, headers: {} }, bytes, request);
};

/** POST AuditEvent/[id]/$reviewed with `note`: what was found. Once, and not by who broke the glass. */
export const markReviewed: Handler = async ({ request, grant, settings, store, id }) => {
  checkId(id);
  if (!grant.permits('create', type)) throw new FhirError('forbidden', `You may not create ${type}.`);
  const version = await store.read({ type, id });
  const event = version?.body === undefined ? undefined : resourceIn(version);
  if (event === undefined || !objectsOf(event['subtype']).some(({ code }) => code === broken))
    throw new FhirError('not-found', `There is no broken glass ${type}/${id}.`);
  const who = objectsOf(event['agent']).map(agent => inside(inside(agent['who'])['identifier'])['value']);
  if (who.includes(grant.principal))
    throw new FhirError('forbidden', 'Somebody else reviews what you have done yourself.');
  const note = saidIn(resourceOf(request.body, 'Parameters'), 'note', 'Say what was found');
  const patients = objectsOf(event['entity']).filter(entity =>
    String(inside(entity['what'])['reference']).startsWith('Patient/'),
  );
  const review: Resource = {
    resourceType: type,
    type: {
      system: 'http://dicom.nema.org/resources/ontology/DCM',
      code: '110113',
      display: 'Security Alert',
    },
    subtype: [{ code: reviewed }],
    action: 'E',
    recorded: instant(now()),
    outcome: '0',
    outcomeDesc: note,
    agent: [
      {
        who: {
          ...(grant.agent?.user === undefined ? {} : { reference: grant.agent.user }),
          identifier: { value: grant.principal },
        },
        requestor: true,
      },
    ],
    source: event['source']!,
    entity: [{ what: { reference: `${type}/${id}` } }, ...patients],
  };
  const ref = { type, id: newId() };
  const { write } = writeOf(settings, ref, undefined, 'POST', review);
  try {
    await store.commit([{ ...write, claims: [`${reviewed}|${type}/${id}`] }]);
  } catch (error) {
    if (error instanceof WriteConflict && error.reason === 'claim')
      throw new FhirError('conflict', `${type}/${id} was reviewed before.`, { cause: error });
    throw error;
  }
  return sendResource(
    { status: 201, headers: { location: `${request.base}/${refKey(ref)}` } },
    { ...review, id: ref.id },
    request,
  );
};

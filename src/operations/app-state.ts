// Small things that apps keep here between launches: Basic resources at an address of their own, apart from the records.
// The server does not look into them. https://hl7.org/fhir/smart-app-launch/app-state.html
// Surprising why: an id begins with a hash of code and subject, which never change, so that a search is one look by prefix
// and no index can get out of step.
import { createHash, randomBytes } from 'node:crypto';
import { FhirError } from '../errors.js';
import { instant } from '../fhir/ids.js';
import { isObject, type JsonObject } from '../fhir/json.js';
import { queryText } from '../fhir/query.js';
import { idPattern, type Resource } from '../fhir/resource.js';
import { unstamped } from '../fhir/stamp.js';
import { sameJson } from '../fhir/same.js';
import { etag, httpDate, sendBytes, sendResource } from '../interactions/answer.js';
import { bundleBytes } from '../interactions/bundle.js';
import type { Context, Handler } from '../interactions/context.js';
import { resourceOf } from '../interactions/prepare.js';
import type { Document, Documents } from '../storage/documents.js';

interface Kept {
  readonly key: Key;
  readonly resource: Resource;
  /** ms since 1970 UTC */
  readonly since: number;
}

/** Below a FHIR base. */
const appStatePath = 'app-state';
const collection = 'app-state';
const mostBytes = 256 * 1024;
/** Under one code, about one subject. */
const mostOfOne = 16;
const subjects = ['Patient', 'Practitioner', 'PractitionerRole', 'RelatedPerson', 'Person'];
const elements = new Set(['resourceType', 'id', 'meta', 'code', 'subject', 'extension']);

/** What state is kept under and about. */
interface Key {
  /** `system|code` */
  readonly code: string;
  /** Relative; undefined for state about nobody. */
  readonly subject: string | undefined;
}

export const createState: Handler = async context => {
  const { request } = context;
  const resource = stateIn(context);
  if (resource['id'] !== undefined) refuse('id', 'is given by the server');
  if (isObject(resource['meta']) && resource['meta']['versionId'] !== undefined)
    refuse('meta.versionId', 'is given by the server');
  const key = keyOf(resource, context);
  await checkMay(context, 'c', key);
  const documents = documentsOf(context);
  if ((await documents.list(collection, { prefix: prefixOf(key) })).length >= mostOfOne)
    throw new FhirError(
      'business-rule',
      `There are ${mostOfOne} under this code about this subject already: update one of them.`,
    );
  const id = prefixOf(key) + randomBytes(8).toString('hex');
  const kept: Kept = { key, resource: { ...resource, id }, since: Date.now() };
  const revision = (await documents.put(collection, id, kept, { expected: 0 }))!;
  const response = answered(context, 201, kept, revision);
  const location = `${request.base}/${appStatePath}/Basic/${id}/_history/${revision}`;
  return { ...response, headers: { ...response.headers, location } };
};

export const updateState: Handler = async context => {
  const wanted = versionWanted(context);
  const resource = stateIn(context);
  if (resource['id'] !== context.id) refuse('id', 'has to be the one of the URL');
  const { document, kept } = await present(context);
  const { key } = kept;
  await checkMay(context, 'u', key);
  const isSame = (name: string): boolean =>
    sameJson(resource[name] ?? null, kept.resource[name] ?? null, 'lexeme');
  if (!isSame('code') || !isSame('subject'))
    throw new FhirError('precondition-failed', 'Basic.code and Basic.subject stay what they were.');
  checkVersion(wanted, document);
  const next: Kept = { key, resource, since: Date.now() };
  const revision = await documentsOf(context).put(collection, context.id, next, {
    expected: document.revision,
  });
  if (revision === undefined) throw changed(wanted);
  return answered(context, 200, next, revision);
};

export const deleteState: Handler = async context => {
  const wanted = versionWanted(context);
  const { document, kept } = await present(context);
  await checkMay(context, 'd', kept.key);
  checkVersion(wanted, document);
  if (!(await documentsOf(context).delete(collection, context.id, document.revision))) throw changed(wanted);
  return { status: 204, headers: {} };
};

export const searchState: Handler = async context => {
  const { request } = context;
  const key = keyAsked(context);
  await checkMay(context, 's', key);
  const found = await documentsOf(context).list(collection, { prefix: prefixOf(key) });
  const place = `${request.base}/${appStatePath}/Basic`;
  const links = [{ relation: 'self', url: `${place}?${queryText(request.query)}` }];
  const bytes = bundleBytes(
    { type: 'searchset', total: found.length, links },
    found.map(document => ({
      fullUrl: `${place}/${document.key}`,
      resource: stamped(document.value as Kept, document.revision),
      search: 'match',
    })),
  );
  return sendBytes({ status: 200, headers: {} }, bytes, request);
};

const refuse = (element: string, why: string): never => {
  throw new FhirError('value', `Basic.${element} ${why}.`, { expression: `Basic.${element}` });
};

function documentsOf({ settings }: Context): Documents {
  if (settings.appState === undefined) throw new FhirError('not-found', 'There is nothing at this address.');
  return settings.appState;
}

/** The body, where it is nothing but state. @throws FhirError `too-large`, `value`, and those of the gate */
function stateIn({ request }: Context): Resource {
  if (request.body !== undefined && request.body.length > mostBytes)
    throw new FhirError('too-large', `The state of an app has at most ${mostBytes} bytes.`);
  const resource = resourceOf(request.body, 'Basic');
  for (const name of Object.keys(resource))
    if (!elements.has(name)) refuse(name, `is not kept; ${[...elements].join(', ')} are`);
  const { extension = [] } = resource;
  for (const [i, each] of (extension as JsonObject[]).entries())
    if (Object.keys(each).some(name => name !== 'url' && name !== 'valueString'))
      refuse(`extension[${i}]`, 'has a url and a valueString, and nothing else');
  return resource;
}

function keyOf({ code, subject }: Resource, { request }: Context): Key {
  const coding = isObject(code) && Array.isArray(code['coding']) ? code['coding'] : [];
  const [first] = coding;
  if (
    coding.length !== 1 ||
    !isObject(first) ||
    typeof first['system'] !== 'string' ||
    typeof first['code'] !== 'string'
  )
    return refuse('code', 'has exactly one coding, with system and code');
  const reference = isObject(subject) ? subject['reference'] : undefined;
  if (subject !== undefined && typeof reference !== 'string')
    refuse('subject', 'has a reference, or is left out');
  return {
    code: `${first['system']}|${first['code']}`,
    subject: typeof reference === 'string' ? subjectOf(reference, request.base) : undefined,
  };
}

/** An absolute reference to one of this server's, as a relative one. */
function subjectOf(reference: string, base: string): string {
  const relative = reference.startsWith(`${base}/`) ? reference.slice(base.length + 1) : '';
  const [type = '', id = '', ...more] = relative.split('/');
  if (more.length > 0 || !subjects.includes(type) || !idPattern.test(id))
    refuse('subject', `is an absolute reference to one of this server's ${subjects.join(', ')}`);
  return relative;
}

function keyAsked({ request }: Context): Key {
  const one = (name: string): string | undefined => {
    const values = request.query.flatMap(([each, value]) => (each === name ? [value] : []));
    if (values.length > 1) throw new FhirError('invalid-search', `${name} is given once.`);
    return values[0];
  };
  const unknown = request.query.find(
    ([name]) => !['code', 'subject', 'subject:missing', '_format', '_pretty'].includes(name),
  );
  if (unknown !== undefined)
    throw new FhirError(
      'invalid-search',
      `${unknown[0]}: code with subject or subject:missing=true is expected.`,
    );
  const [code, subject, missing] = [one('code'), one('subject'), one('subject:missing')];
  if (code === undefined || !/^[^|]+\|[^|]+$/.test(code))
    throw new FhirError('invalid-search', 'code: system|code is expected.');
  if ((subject === undefined) !== (missing === 'true'))
    throw new FhirError('invalid-search', 'Either subject or subject:missing=true is expected.');
  return { code, subject: subject === undefined ? undefined : subjectOf(subject, request.base) };
}

function prefixOf({ code, subject }: Key): string {
  const named = JSON.stringify([code, subject ?? null]);
  return `${createHash('sha256').update(named).digest('hex').slice(0, 40)}-`;
}

/** @throws FhirError `forbidden` */
async function checkMay(
  { grant, store }: Context,
  permission: 'c' | 'u' | 'd' | 's',
  { code, subject }: Key,
): Promise<void> {
  const answer = grant.state?.judge(permission, code, subject) ?? 'no';
  if (answer === 'yes') return;
  if (answer === 'if-visible' && subject !== undefined) {
    const [type = '', id = ''] = subject.split('/');
    if (grant.permits('read', type) && (await store.read({ type, id }))?.body !== undefined) return;
  }
  throw new FhirError('forbidden', 'You may not do this with state under this code about this subject.');
}

/** What is there now. @throws FhirError `precondition-failed` where nothing is, or no longer */
async function present(context: Context): Promise<{ document: Document; kept: Kept }> {
  const document = await documentsOf(context).get(collection, context.id);
  if (document === undefined)
    throw new FhirError('precondition-failed', 'There is no such state, or it was deleted.');
  return { document, kept: document.value as Kept };
}

/** @throws FhirError `required`, `value` */
function versionWanted({ request }: Context): string {
  const header = request.headers['if-match'];
  if (header === undefined)
    throw new FhirError('required', 'If-Match is needed, with the ETag of what is to be changed.');
  const [, version] = /^\s*(?:W\/)?"(\d+)"\s*$/.exec(header) ?? [];
  if (version === undefined) throw new FhirError('value', 'If-Match: one ETag is expected, such as W/"1".');
  return version;
}

function checkVersion(wanted: string, { revision }: Document): void {
  if (wanted !== String(revision)) throw changed(wanted);
}

const changed = (wanted: string): FhirError =>
  new FhirError('precondition-failed', `The state has changed: its version is no longer ${wanted}.`);

const stamped = ({ resource, since }: Kept, revision: number): Resource => ({
  ...resource,
  meta: { ...unstamped(resource['meta']), versionId: String(revision), lastUpdated: instant(since) },
});

function answered(
  { request }: Context,
  status: number,
  kept: Kept,
  revision: number,
): ReturnType<typeof sendResource> {
  const headers = { etag: etag(revision), 'last-modified': httpDate(kept.since) };
  return sendResource({ status, headers }, stamped(kept, revision), request);
}

// read and vread. https://hl7.org/fhir/R4/http.html#read, https://hl7.org/fhir/R4/http.html#vread
import { FhirError } from '../errors.js';
import { pickElements, summarize } from '../fhir/elements.js';
import { refKey, type Resource } from '../fhir/resource.js';
import type { Version } from '../storage/store.js';
import { sendBytes, sendResource, versionHeaders } from './answer.js';
import { rawAnswer } from './binary.js';
import type { Context, Handler } from './context.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import { notModified } from './precondition.js';
import { checkId, resourceIn } from './prepare.js';

export const read: Handler = async context => {
  const ref = { type: context.type, id: context.id };
  checkId(ref.id);
  const version = await context.store.read(ref);
  if (version === undefined) throw new FhirError('not-found', `There is no ${refKey(ref)}.`);
  return sendVersion(context, version);
};

export const vread: Handler = async context => {
  const ref = { type: context.type, id: context.id };
  const version = /^[1-9][0-9]{0,14}$/.test(context.versionId)
    ? await context.store.read(ref, Number(context.versionId))
    : undefined;
  if (version === undefined)
    throw new FhirError('not-found', `There is no version "${context.versionId}" of ${refKey(ref)}.`);
  return sendVersion(context, version);
};

function sendVersion(context: Context, version: Version): FhirResponse {
  const { request } = context;
  if (version.body === undefined) {
    throw new FhirError('gone', `${refKey(version.ref)} was deleted by version ${version.version}.`, {
      headers: versionHeaders(version),
    });
  }
  if (notModified(request.headers, version))
    return { status: 304, headers: versionHeaders(version), lastUpdated: version.lastUpdated };
  const raw = context.type === 'Binary' ? rawAnswer(request, version) : undefined;
  if (raw !== undefined) return raw;
  const view = viewOf(request);
  const headers = versionHeaders(version);
  const response =
    view === undefined
      ? sendBytes({ status: 200, headers }, version.body, request)
      : sendResource({ status: 200, headers }, view(resourceIn(version)), request);
  return Object.assign(response, { lastUpdated: version.lastUpdated });
}

/** What _summary and _elements leave of a resource; undefined where all of it is sent. https://hl7.org/fhir/R4/search.html#summary */
function viewOf(request: FhirRequest): ((resource: Resource) => Resource) | undefined {
  if (request.query.length === 0) return undefined;
  const summary = request.query.find(([name]) => name === '_summary')?.[1];
  const elements = request.query
    .filter(([name]) => name === '_elements')
    .flatMap(([, value]) => value.split(','))
    .filter(element => element !== '');
  if (summary !== undefined && summary !== 'false') {
    if (summary !== 'true' && summary !== 'text' && summary !== 'data') {
      throw new FhirError(
        'invalid-search',
        `_summary on a read is true, text, data or false, not "${summary}".`,
      );
    }
    return resource => summarize(resource, summary);
  }
  return elements.length === 0 ? undefined : resource => pickElements(resource, elements);
}

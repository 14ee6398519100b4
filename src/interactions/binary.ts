// Binary: raw content in and out by Content-Type and Accept, with its security context in a header.
// https://hl7.org/fhir/R4/binary.html#rest
import { FhirError } from '../errors.js';
import type { Resource } from '../fhir/resource.js';
import type { Version } from '../storage/store.js';
import { checkGate } from '../validation/gate.js';
import { versionHeaders } from './answer.js';
import type { Context } from './context.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import { acceptsFhir, isFhirMediaType } from './media.js';
import { resourceIn } from './prepare.js';

/** Whether the request sends the content itself and not a Binary resource. */
export const isRawBinary = ({ type, request }: Context): boolean =>
  type === 'Binary' &&
  request.body !== undefined &&
  request.headers['content-type'] !== undefined &&
  !isFhirMediaType(request.headers['content-type']);

/** The Binary resource for raw content; X-Security-Context becomes its securityContext. */
export function binaryOf(request: FhirRequest): Resource {
  const contentType = request.headers['content-type'];
  if (contentType === undefined) throw new FhirError('required', 'Raw content needs a Content-Type.');
  const context = request.headers['x-security-context'];
  const resource: Resource = {
    resourceType: 'Binary',
    contentType,
    ...(context === undefined ? {} : { securityContext: { reference: context } }),
    ...(request.body === undefined || request.body.length === 0
      ? {}
      : { data: Buffer.from(request.body).toString('base64') }),
  };
  checkGate(resource);
  return resource;
}

/** What may stand in a header; a contentType or reference stored as FHIR may hold more. */
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;[\t\x20-\x7e]*)?$/;
const headerText = /^[\x21-\x7e]+$/;

/** The raw content where the client does not ask for FHIR; undefined where it does. */
export function rawAnswer(request: FhirRequest, version: Version): FhirResponse | undefined {
  if (acceptsFhir(request)) return undefined;
  const binary = resourceIn(version);
  const contentType = binary['contentType'] as string;
  const context = (binary['securityContext'] as { reference?: string } | undefined)?.reference;
  return {
    status: 200,
    headers: {
      ...versionHeaders(version),
      'content-type': mediaType.test(contentType) ? contentType : 'application/octet-stream',
      // The content is a client's: a browser must neither guess its type nor run it as a page of this server.
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
      ...(context !== undefined && headerText.test(context) ? { 'x-security-context': context } : {}),
    },
    body: Buffer.from((binary['data'] as string | undefined) ?? '', 'base64'),
  };
}

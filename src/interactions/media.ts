// Media types of requests and responses: what a body may be, and what a client accepts. Within the server everything is
// JSON; http/ changes XML at the edge. Turtle is refused by name. https://hl7.org/fhir/R4/http.html#mime-type, https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
import { FhirError } from '../errors.js';
import { queryOf } from '../fhir/query.js';
import type { FhirRequest } from './exchange.js';

type Asking = Pick<FhirRequest, 'headers' | 'query'>;

/** The lower-case media type without parameters; '' where there is none. */
export const mediaTypeOf = (contentType: string | undefined): string =>
  (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();

/** A parameter of a media type, lower-case and without quotes. */
function parameterOf(mediaType: string, name: string): string | undefined {
  for (const part of mediaType.split(';').slice(1)) {
    const [key, value] = part.split('=');
    if (key?.trim().toLowerCase() === name && value !== undefined)
      return value
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .toLowerCase();
  }
  return undefined;
}

const jsonTypes = ['application/fhir+json', 'application/json', 'text/json'];
const xmlTypes = ['application/fhir+xml', 'application/xml', 'text/xml'];
const fhirTypes = new Set(['application/fhir+json', 'application/fhir+xml', 'application/fhir+turtle']);
const turtle = /^(?:ttl|(?:application|text)\/(?:fhir\+)?turtle)$/;

/** XML Patch; not a resource, so it stays as it is sent. */
export const xmlPatchType = 'application/xml-patch+xml';

/** What a response is sent as. */
export interface Format {
  readonly syntax: 'json' | 'xml';
  /** As in Content-Type. */
  readonly contentType: string;
}

export const jsonFormat: Format = { syntax: 'json', contentType: 'application/fhir+json; charset=utf-8' };
const xmlFormats = new Map(
  xmlTypes.map((type): [string, Format] => [type, { syntax: 'xml', contentType: `${type}; charset=utf-8` }]),
);
const xmlFormat = xmlFormats.get('application/fhir+xml')!;

/** By media type, and by the short names that `_format` may have. */
const formats: ReadonlyMap<string, Format> = new Map([
  ...['json', ...jsonTypes].map((type): [string, Format] => [type, jsonFormat]),
  ['xml', xmlFormat],
  ...xmlFormats,
]);

/** Whether the media type is FHIR's own: for Binary, where every other one is raw content. */
export const isFhirMediaType = (mediaType: string): boolean => fhirTypes.has(mediaTypeOf(mediaType));

/** Only FHIR 4.0 is spoken. https://hl7.org/fhir/R4/http.html#version-parameter */
const isOtherVersion = (mediaType: string): boolean =>
  !['4.0', undefined].includes(parameterOf(mediaType, 'fhirversion'));

/**
 * Refuses a body whose media type this interaction does not read. A missing Content-Type counts as FHIR JSON; patch
 * reads its own types and Binary takes whatever is not FHIR's.
 * @throws FhirError `unsupported-media-type` naming what is accepted
 */
export function checkBodyType(request: FhirRequest): void {
  const given = request.headers['content-type'];
  if (given === undefined || request.body === undefined) return;
  const type = mediaTypeOf(given);
  const isSearch = request.path.at(-1) === '_search';
  if (request.path[0] === 'Binary' && !isSearch && !isFhirMediaType(type)) return;
  if (turtle.test(type))
    throw new FhirError(
      'unsupported-media-type',
      `${type} is not read: send application/fhir+json or application/fhir+xml.`,
    );
  const charset = parameterOf(given, 'charset');
  if (charset !== undefined && !['utf-8', 'utf8', 'us-ascii'].includes(charset)) {
    throw new FhirError('unsupported-media-type', `The body is in ${charset}: send UTF-8.`);
  }
  if (isOtherVersion(given))
    throw new FhirError(
      'unsupported-media-type',
      `The body is of another FHIR version: this server speaks fhirVersion=4.0.`,
    );
  if (request.method === 'PATCH') return;
  if (isSearch ? type === 'application/x-www-form-urlencoded' : formats.has(type)) return;
  const accepted = isSearch
    ? 'application/x-www-form-urlencoded'
    : 'application/fhir+json or application/fhir+xml';
  throw new FhirError('unsupported-media-type', `The body is "${type}", but ${accepted} is read here.`);
}

/** Whether the body is a resource in XML: not the raw content of a Binary. */
export function isXmlBody(request: FhirRequest): boolean {
  if (request.body === undefined) return false;
  const type = mediaTypeOf(request.headers['content-type']);
  if (!xmlTypes.includes(type)) return false;
  return request.path[0] !== 'Binary' || isFhirMediaType(type);
}

/** The specific quality an Accept header gives a media type, as RFC 9110 orders ranges; undefined where none covers it. */
function qualityOf(type: string, ranges: readonly string[]): number | undefined {
  const [major] = type.split('/');
  for (const range of [type, `${major}/*`, '*/*']) {
    const found = ranges.find(
      each =>
        mediaTypeOf(each) === range ||
        (mediaTypeOf(each) === 'json' && range === 'application/json') ||
        (mediaTypeOf(each) === 'xml' && range === 'application/fhir+xml'),
    );
    if (found !== undefined && !isOtherVersion(found)) return Number(parameterOf(found, 'q') ?? 1) || 0;
  }
  return undefined;
}

const rangesOf = (accept: string): readonly string[] => accept.split(',').map(each => each.trim());
const formatOf = (request: Asking): string | undefined => {
  const given = request.query.find(([name]) => name === '_format')?.[1];
  // An unescaped + of application/fhir+json arrives as a space.
  return given?.replace(' ', '+');
};

/** The parameters of a search that may say what its answer is sent as: those of the URL, and of a form posted. */
export function formParameters({ method, path, query, body }: FhirRequest): FhirRequest['query'] {
  if (method !== 'POST' || path.at(-1) !== '_search' || body === undefined) return query;
  return [...query, ...queryOf(Buffer.from(body).toString())];
}

/** Whether the client asks for FHIR and not for raw content, by `_format` or by naming FHIR's media type. */
export function acceptsFhir(request: Asking): boolean {
  if (formatOf(request) !== undefined) return true;
  return rangesOf(request.headers['accept'] ?? '').some(
    range => isFhirMediaType(range) && parameterOf(range, 'q') !== '0',
  );
}

// Clients repeat themselves: the answer per Accept header is kept.
const choices = new Map<string, Format | null>();

/** The format the client likes best; JSON where it likes another no better, for it is sent as it is stored. */
function choiceOf(accept: string): Format | null {
  const known = choices.get(accept);
  if (known !== undefined) return known;
  const ranges = rangesOf(accept);
  let choice: Format | null = null;
  let best = 0;
  for (const type of [...jsonTypes, ...xmlTypes]) {
    const quality = qualityOf(type, ranges) ?? 0;
    if (quality > best) [choice, best] = [formats.get(type)!, quality];
  }
  if (choices.size < 1000) choices.set(accept, choice);
  return choice;
}

const known = 'ask for application/fhir+json, application/fhir+xml, json or xml.';

/**
 * What the response is sent as. `_format` wins over Accept; who says neither gets what was sent. Raw Binary content is
 * for the interaction to judge.
 * @throws FhirError `not-acceptable` where the client could not read any
 */
export function answerFormat(request: Omit<FhirRequest, 'body' | 'base' | 'id'>): Format {
  const format = formatOf(request);
  if (format !== undefined) {
    const type = mediaTypeOf(format);
    const found = isOtherVersion(format) ? undefined : formats.get(type);
    if (found !== undefined) return found;
    throw new FhirError(
      'not-acceptable',
      turtle.test(type) ? `_format=${type}: Turtle is not sent, ${known}` : `_format is not known: ${known}`,
    );
  }
  const { accept, 'content-type': sent } = request.headers;
  if (accept === undefined || accept === '' || accept === '*/*')
    return sent === undefined ? jsonFormat : (xmlFormats.get(mediaTypeOf(sent)) ?? jsonFormat);
  const isBinary = request.path[0] === 'Binary' && !acceptsFhir(request);
  const isContent = isBinary && request.path.length > 1 && ['GET', 'HEAD'].includes(request.method);
  if (isContent) return jsonFormat;
  const choice = choiceOf(accept);
  if (choice !== null) return choice;
  if (isBinary) return jsonFormat;
  const ranges = rangesOf(accept);
  if (ranges.some(isOtherVersion)) throw new FhirError('not-acceptable', 'Only fhirVersion=4.0 can be sent.');
  throw new FhirError('not-acceptable', `None of the accepted media types can be sent: ${known}`);
}

// Media types of requests and responses: what a body may be, and what a client accepts. JSON now; XML and Turtle are
// refused by name. https://hl7.org/fhir/R4/http.html#mime-type, https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
import { FhirError } from '../errors.js';
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
const formats = new Set(['json', ...jsonTypes]);
const fhirTypes = new Set(['application/fhir+json', 'application/fhir+xml', 'application/fhir+turtle']);
const later = /^(?:xml|ttl|(?:application|text)\/(?:fhir\+)?(?:xml|turtle))$/;

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
  if (later.test(type))
    throw new FhirError(
      'unsupported-media-type',
      `${type} is not available yet: send application/fhir+json.`,
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
  if (isSearch ? type === 'application/x-www-form-urlencoded' : jsonTypes.includes(type)) return;
  const accepted = isSearch ? 'application/x-www-form-urlencoded' : 'application/fhir+json';
  throw new FhirError('unsupported-media-type', `The body is "${type}", but ${accepted} is read here.`);
}

/** The specific quality an Accept header gives a media type, as RFC 9110 orders ranges; undefined where none covers it. */
function qualityOf(type: string, ranges: readonly string[]): number | undefined {
  const [major] = type.split('/');
  for (const range of [type, `${major}/*`, '*/*']) {
    const found = ranges.find(
      each => mediaTypeOf(each) === range || (range === 'application/json' && mediaTypeOf(each) === 'json'),
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

/** Whether the client asks for FHIR and not for raw content, by `_format` or by naming FHIR's media type. */
export function acceptsFhir(request: Asking): boolean {
  if (formatOf(request) !== undefined) return true;
  return rangesOf(request.headers['accept'] ?? '').some(
    range => isFhirMediaType(range) && parameterOf(range, 'q') !== '0',
  );
}

// Clients repeat themselves: the answer per Accept header is kept.
const answers = new Map<string, boolean>();
function acceptsJson(accept: string): boolean {
  let answer = answers.get(accept);
  if (answer === undefined) {
    const ranges = rangesOf(accept);
    answer = jsonTypes.some(type => (qualityOf(type, ranges) ?? 0) > 0);
    if (answers.size < 1000) answers.set(accept, answer);
  }
  return answer;
}

const jsonOnly = 'ask for application/fhir+json, application/json or json.';

/**
 * Refuses a request whose response the client could not read. `_format` wins over Accept; raw Binary content is for the
 * interaction to judge.
 * @throws FhirError `not-acceptable`
 */
export function checkAccept(request: FhirRequest): void {
  const format = formatOf(request);
  if (format !== undefined) {
    const type = mediaTypeOf(format);
    if (formats.has(type) && !isOtherVersion(format)) return;
    throw new FhirError(
      'not-acceptable',
      later.test(type)
        ? `_format=${type}: XML and Turtle are not available yet, ${jsonOnly}`
        : `_format is not known: ${jsonOnly}`,
    );
  }
  const accept = request.headers['accept'];
  if (accept === undefined || accept === '' || accept === '*/*' || acceptsJson(accept)) return;
  if (request.path[0] === 'Binary' && !acceptsFhir(request)) return;
  const ranges = rangesOf(accept);
  if (ranges.some(isOtherVersion)) throw new FhirError('not-acceptable', 'Only fhirVersion=4.0 can be sent.');
  if (ranges.some(range => later.test(mediaTypeOf(range))))
    throw new FhirError('not-acceptable', `XML and Turtle are not available yet: ${jsonOnly}`);
  throw new FhirError('not-acceptable', `None of the accepted media types can be sent: ${jsonOnly}`);
}

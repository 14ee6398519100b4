// Canonical urls: of definitions themselves, and where definitions are named. They are absolute, or #id of what is
// contained. https://hl7.org/fhir/R4/references.html#canonical
import { isObject, type Json, type JsonObject } from '../../fhir/json.js';
import { shapeOf, type Shape } from '../../fhir/shape.js';
import type { Report, ResourceRule } from '../finding.js';
import { textIn } from './reading.js';

export const canonicals: ResourceRule = (resource, path, report, { holders }) => {
  const shape = shapeOf(textIn(resource, 'resourceType') ?? '');
  const url = textIn(resource, 'url');
  // Definitions have a url that names them; other urls, such as Endpoint's address, are of another type.
  if (url !== undefined && shape.properties.get('url')?.type === 'uri' && shape.properties.has('status')) {
    const problem = problemOf(url);
    if (problem !== undefined) say(report, `${path}.url`, `The url ${problem}`, 'canonical-url');
  }
  if (leadsToCanonical(shape)) walk(resource, shape, path, resource, holders, report);
};

/** What is wrong with an absolute url; undefined if nothing. */
export function problemOf(url: string): string | undefined {
  if (/^urn:uuid:/i.test(url))
    return /^urn:uuid:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\||$)/.test(url)
      ? undefined
      : `"${url.slice(0, 100)}" is no UUID in lower case.`;
  if (/^urn:oid:/i.test(url))
    return /^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+(?:\||$)/.test(url)
      ? undefined
      : `"${url.slice(0, 100)}" is no OID.`;
  return /^[A-Za-z][A-Za-z0-9+.-]*:\S/.test(url)
    ? undefined
    : `"${url.slice(0, 100)}" is relative; expected an absolute one, such as https://example.com/x.`;
}

const say = (
  report: Report,
  expression: string,
  text: string,
  rule: string,
  severity: 'error' | 'warning' = 'error',
): void => report({ severity, code: 'value', expression, text, rule });

/** R4's own examples name definitions so; a reader on the same server knows what is meant. */
const relative = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}(?:\||$)/;

/** meta.profile is left to the walk along profiles; extensions have urls of their own. */
const passedOver = new Set(['extension', 'modifierExtension', 'meta', 'contained']);

const known = new WeakMap<Shape, boolean>();
function leadsToCanonical(shape: Shape): boolean {
  const before = known.get(shape);
  if (before !== undefined) return before;
  known.set(shape, false); // while it is being asked: a circle adds nothing
  const leads = [...shape.properties.values()].some(
    property =>
      !passedOver.has(property.name) &&
      (property.type === 'canonical' ||
        (!property.primitive && property.type !== 'Resource' && leadsToCanonical(property.shape()))),
  );
  known.set(shape, leads);
  return leads;
}

function walk(
  object: JsonObject,
  shape: Shape,
  path: string,
  resource: JsonObject,
  holders: readonly JsonObject[],
  report: Report,
): void {
  for (const name in object) {
    const property = shape.properties.get(name);
    if (property === undefined || passedOver.has(name) || property.type === 'Resource') continue;
    const isCanonical = property.type === 'canonical';
    if (!isCanonical && (property.primitive || !leadsToCanonical(property.shape()))) continue;
    const value = object[name]!;
    const items: readonly Json[] = Array.isArray(value) ? value : [value];
    items.forEach((item, i) => {
      const place = `${path}.${name}${Array.isArray(value) ? `[${i}]` : ''}`;
      if (isObject(item)) walk(item, property.shape(), place, resource, holders, report);
      else if (isCanonical && typeof item === 'string') judge(item, place, resource, holders, report);
    });
  }
}

function judge(
  canonical: string,
  place: string,
  resource: JsonObject,
  holders: readonly JsonObject[],
  report: Report,
): void {
  if (canonical.startsWith('#')) {
    const id = canonical.slice(1);
    const isThere = [resource, ...holders].some(
      holder =>
        Array.isArray(holder['contained']) &&
        holder['contained'].some(one => isObject(one) && one['id'] === id),
    );
    if (!isThere)
      say(report, place, `Nothing that is contained has the id "${id.slice(0, 80)}".`, 'canonical');
    return;
  }
  const problem = problemOf(canonical);
  if (problem !== undefined)
    say(
      report,
      place,
      `The canonical ${problem}`,
      'canonical',
      relative.test(canonical) ? 'warning' : 'error',
    );
}

// Which Binaries a resource refers to, wherever in it: by a Reference, or by the url of an Attachment. Search parameters
// tell only of some, and who may see a Binary depends on all of them. https://hl7.org/fhir/R4/binary.html#security
// Surprising why: a resource inside a Bundle is a world of its own; what it refers to is not what the Bundle is about.
import { resourceTypes } from '../fhir/definitions.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { localTarget } from '../fhir/reference.js';
import { refKey } from '../fhir/resource.js';
import type { ReferenceRow } from './rows.js';

/** The parameters of such rows, and of what a Binary's securityContext names; no search can name them. */
export const binaryParam = '_binary';
export const contextParam = '_context';

/** The types whose resources can have such rows of a Binary. */
export const referringTypes = (): readonly string[] => [...resourceTypes()].filter(type => type !== 'Binary');

export function binaryRows(resource: JsonObject, bases: readonly string[]): ReferenceRow[] {
  const type = resource['resourceType'];
  if (type === 'Binary') return contextRows(resource, bases);
  if (typeof type === 'string' && telling.has(type)) return none;
  const found = new Set<string>();
  gather(resource, bases, found);
  if (found.size === 0) return none;
  return [...found].map(target => ({ kind: 'reference', param: binaryParam, target, version: '' }));
}

/** They tell of resources, whose content is not theirs. */
const telling = new Set(['AuditEvent', 'Provenance', 'List']);
const none: ReferenceRow[] = [];

function contextRows({ securityContext }: JsonObject, bases: readonly string[]): ReferenceRow[] {
  const reference = isObject(securityContext) ? securityContext['reference'] : undefined;
  if (typeof reference !== 'string') return none;
  const about = localTarget(reference, bases);
  if (about === undefined) return none;
  return [{ kind: 'reference', param: contextParam, target: refKey(about), version: '' }];
}

function gather(object: JsonObject, bases: readonly string[], found: Set<string>): void {
  for (const name in object) {
    const value = object[name]!;
    if (typeof value === 'string') {
      if ((name === 'url' || name === 'reference') && value.includes('Binary/')) {
        const target = localTarget(value, bases);
        if (target?.type === 'Binary') found.add(refKey(target));
      }
    } else if (typeof value === 'object' && value !== null && name !== 'resource') {
      if (Array.isArray(value)) each(value, bases, found);
      else if (isObject(value)) gather(value, bases, found);
    }
  }
}

function each(values: readonly Json[], bases: readonly string[], found: Set<string>): void {
  for (const value of values) if (isObject(value)) gather(value, bases, found);
}

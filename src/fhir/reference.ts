// References: what the text of one says, where a resource holds them, which types they may name, and exchanging them.
// https://hl7.org/fhir/R4/references.html, https://hl7.org/fhir/R4/http.html#trules
// Surprising why: a resource inside a Bundle or Parameters is a world of its own. Its references are resolved there, so
// they are checked for type with the rest but neither found nor rewritten with it.
import { FhirError, type Issue } from '../errors.js';
import { resourceTypes } from './definitions.js';
import { isObject, type JsonObject } from './json.js';
import { exchangeReferences, type Exchange, type Place, type ReferenceKind } from './reference-walk.js';
import { refKey, type Ref, type Resource } from './resource.js';

export type ParsedReference =
  /** `base` is there only for another server's resource. */
  | {
      readonly kind: 'literal';
      readonly type: string;
      readonly id: string;
      readonly version?: string;
      readonly base?: string;
    }
  /** `#id`; the id is '' for the containing resource itself. */
  | { readonly kind: 'contained'; readonly id: string }
  | { readonly kind: 'urn'; readonly urn: string }
  | { readonly kind: 'conditional'; readonly type: string; readonly criteria: string }
  | { readonly kind: 'url'; readonly url: string };

const literal =
  /^(?:(https?:\/\/.+?)\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;

/** What the text of a reference says. An absolute reference below one of `bases` (no trailing slash) is as good as relative. */
export function parseReference(text: string, bases: readonly string[] = []): ParsedReference {
  if (text.startsWith('#')) return { kind: 'contained', id: text.slice(1) };
  if (/^urn:(?:uuid|oid):/i.test(text)) return { kind: 'urn', urn: text };
  const match = literal.exec(text);
  if (match !== null && resourceTypes().has(match[2]!)) {
    const [, base, type, id, version] = match;
    return {
      kind: 'literal',
      type: type!,
      id: id!,
      ...(version === undefined ? {} : { version }),
      ...(base === undefined || bases.includes(base) ? {} : { base }),
    };
  }
  const question = text.indexOf('?');
  if (question > 0 && resourceTypes().has(text.slice(0, question))) {
    return { kind: 'conditional', type: text.slice(0, question), criteria: text.slice(question + 1) };
  }
  return { kind: 'url', url: text };
}

/** The parts of a canonical, `url|version#fragment`. https://hl7.org/fhir/R4/references.html#canonical */
export function parseCanonical(text: string): { url: string; version?: string; fragment?: string } {
  const [, url, version, fragment] = /^([^|#]*)(?:\|([^#]*))?(?:#(.*))?$/s.exec(text)!;
  return { url: url!, ...(version ? { version } : {}), ...(fragment ? { fragment } : {}) };
}

/** Calls `visit` with every reference, uri and link of the resource and what it contains; never with a canonical. */
export function visitReferences(
  resource: Resource,
  visit: (text: string, kind: ReferenceKind, place: Place) => void,
): void {
  exchangeReferences(resource, (text, kind, place) => void visit(text, kind, place));
}

/** The resource with references exchanged as `map` says; the same object if it says nothing. */
export const rewriteReferences = (
  resource: Resource,
  map: (reference: string) => string | undefined,
): Resource => exchangeReferences(resource, text => map(text));

/** Every Reference.reference, and what tells the FHIRPath of its element. */
export function referencesIn(
  resource: Resource,
): { readonly reference: string; readonly expression: () => string }[] {
  const found: { reference: string; expression: () => string }[] = [];
  visitReferences(resource, (reference, kind, place) => {
    if (kind === 'reference') found.push({ reference, expression: place.later() });
  });
  return found;
}

/** The resource of this server that the text names, whatever version of it. */
export function localTarget(text: string, bases: readonly string[]): Ref | undefined {
  const parsed = parseReference(text, bases);
  if (parsed.kind !== 'literal' || parsed.base !== undefined) return undefined;
  return { type: parsed.type, id: parsed.id };
}

/** The resources of this server that the resource refers to, each once, whatever version it names. */
export function localReferences(resource: Resource, bases: readonly string[]): Ref[] {
  const found = new Map<string, Ref>();
  visitReferences(resource, (text, kind) => {
    if (kind !== 'reference') return;
    const ref = localTarget(text, bases);
    if (ref !== undefined) found.set(refKey(ref), ref);
  });
  return [...found.values()];
}

const issueLimit = 20;

/**
 * Checks that no reference names a type its element does not allow. What does not tell its type is let pass.
 * @throws FhirError `invalid-reference` with an issue for each that does, up to twenty.
 */
export function checkReferences(resource: Resource): void {
  const issues: Issue[] = [];
  const check: Exchange = (text, kind, place) => {
    if (kind === 'reference' && issues.length < issueLimit) checkReference(text, place, issues);
    return undefined;
  };
  exchangeReferences(resource, check, { nested: true });
  const [first] = issues;
  if (first !== undefined)
    throw new FhirError('invalid-reference', first.text, { expression: first.expression, issues });
}

function checkReference(text: string, { targets, container, expression }: Place, issues: Issue[]): void {
  if (targets === undefined) return;
  const type = typeNamedBy(text, container);
  if (type === undefined || targets.has(type)) return;
  const place = expression();
  issues.push({
    severity: 'error',
    code: 'invalid',
    text: `${place} refers to a ${type}, "${text.slice(0, 200)}"; it may refer to ${list([...targets])}.`,
    expression: place,
  });
}

function typeNamedBy(text: string, container: JsonObject): string | undefined {
  const parsed = parseReference(text);
  if (parsed.kind === 'literal' || parsed.kind === 'conditional') return parsed.type;
  if (parsed.kind !== 'contained') return undefined;
  const contained = Array.isArray(container['contained']) ? container['contained'].filter(isObject) : [];
  const target = parsed.id === '' ? container : contained.find(({ id }) => id === parsed.id);
  return typeof target?.['resourceType'] === 'string' ? target['resourceType'] : undefined;
}

const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} or ${names.at(-1)!}`;

// Which code system, value set or concept map an operation is about: the one of the URL's id, one sent along, or one by
// its canonical url. https://hl7.org/fhir/R4/terminology-service.html
import { FhirError } from '../errors.js';
import {
  structureDefinition,
  type CodeSystemDefinition,
  type ValueSetDefinition,
} from '../fhir/definitions.js';
import { refKey } from '../fhir/resource.js';
import type { Context } from '../interactions/context.js';
import { checkId, resourceIn } from '../interactions/prepare.js';
import { canonicalParts, codeSystemOf, isVersion, type Catalog } from '../terminology/catalog.js';
import { delegated, type Remote } from '../terminology/remote.js';
import { valueSetOf } from '../terminology/membership.js';
import type { DefinitionOf, TerminologyType } from '../terminology/stored.js';
import type { Given } from './operation-parameters.js';

/** The grant must let its holder search and read the type: what is found by a url is found. */
export function checkPermitted({ grant }: Context, type: string): void {
  for (const permission of ['read', 'search'] as const)
    if (!grant.permits(permission, type))
      throw new FhirError('forbidden', `You may not ${permission} ${type}.`);
}

/** The resource of the URL's id; undefined at type level. */
export async function definitionOfInstance<T extends TerminologyType>(
  { store, catalog, id }: Context,
  type: T,
): Promise<DefinitionOf[T] | undefined> {
  if (id === '') return undefined;
  checkId(id);
  const ref = { type, id };
  const version = await store.read(ref);
  if (version === undefined) throw new FhirError('not-found', `There is no ${refKey(ref)}.`);
  if (version.body === undefined) throw new FhirError('gone', `${refKey(ref)} was deleted.`);
  return catalog.definitionAt(type, id) ?? (resourceIn(version) as unknown as DefinitionOf[T]);
}

/** What is known, and besides it a code system that came with the request or its URL. */
export function withSystem(catalog: Catalog, definition: CodeSystemDefinition): Catalog {
  const own = codeSystemOf(definition);
  return {
    ...catalog,
    memory: new Map(),
    codeSystem: (url, version) =>
      url === own.url && isVersion(version, own.version) ? own : catalog.codeSystem(url, version),
  };
}

const canonicalOf = (url: string, version: string | undefined): string =>
  version === undefined || url.endsWith(`|${version}`) ? url : `${url}|${version}`;

/**
 * The value set asked for. Undefined where its url is not known here.
 * @throws FhirError `required` where none is named
 */
export async function askedValueSet(
  context: Context,
  given: Given,
): Promise<{ readonly set: ValueSetDefinition | undefined; readonly name: string }> {
  const instance = await definitionOfInstance(context, 'ValueSet');
  const inline = given.resource('valueSet') as unknown as ValueSetDefinition | undefined;
  const byContext = given.text('context');
  const url = given.text('url') ?? (byContext === undefined ? undefined : boundTo(byContext));
  const named = [instance, inline, url].filter(one => one !== undefined);
  if (named.length === 0)
    throw new FhirError(
      'required',
      'A value set is needed: url, valueSet, context, or the id of one in the URL.',
    );
  if (named.length > 1 && instance !== undefined)
    throw new FhirError(
      'value',
      'The URL names a value set already: url, valueSet and context are not for it.',
    );
  const direct = instance ?? inline;
  if (direct !== undefined) return { set: direct, name: direct.url ?? 'given' };
  const canonical = canonicalOf(url!, given.text('valueSetVersion'));
  return { set: valueSetOf(context.catalog, canonical), name: canonical };
}

/** The value set an element is bound to: `http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender`, or `Patient.gender`. */
function boundTo(context: string): string {
  const [before = '', after] = context.split('#');
  const path = after ?? before;
  const definition = structureDefinition(
    after === undefined ? path.split('.')[0]! : canonicalParts(before).url,
  );
  const element = definition?.snapshot.element.find(one => one.id === path || one.path === path);
  const valueSet = element?.binding?.valueSet;
  if (valueSet === undefined)
    throw new FhirError('not-found', `No value set is bound to "${context.slice(0, 200)}" here.`);
  return valueSet;
}

/** The server to be asked for what is not known here. */
export const remoteFor = ({ catalog, request }: Context): Remote | undefined =>
  request.headers[delegated] === undefined ? catalog.remote : undefined;

/** Languages in the order they are wished for, each followed by what it is a kind of; lower-case. */
export const languagesOf = (given: Given): readonly string[] =>
  (given.text('displayLanguage') ?? '')
    .split(',')
    .map(one => one.split(';')[0]!.trim().toLowerCase())
    .filter(one => one !== '' && one !== '*')
    .flatMap(one => (one.includes('-') ? [one, one.split('-')[0]!] : [one]));

/** For value sets that cannot be found by their url. */
export const noSuch = (what: string, name: string): FhirError =>
  new FhirError('not-found', `The ${what} "${name.slice(0, 300)}" is not known here.`);

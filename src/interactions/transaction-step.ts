// The writing entries of a transaction, read and checked as far as that needs no store.
// https://hl7.org/fhir/R4/http.html#trules
import type { Permission } from '../auth/grant.js';
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { newId } from '../fhir/ids.js';
import { refKey, type Resource } from '../fhir/resource.js';
import { atEntry, patchDocument, type EntryRequest } from './bundle-entry.js';
import type { Context } from './context.js';
import { locksOf } from './criteria.js';
import { patchIn, type Patch } from './patch.js';
import { checked, checkId } from './prepare.js';

interface StepHead {
  readonly entry: EntryRequest;
  readonly type: string;
  /** From the URL; absent for a create or with criteria. */
  readonly id: string | undefined;
  readonly criteria: string | undefined;
  /** The resource or locks it is about, as far as they are known before the store is asked. */
  readonly keys: readonly string[];
  /** The id of what this entry may create, fixed once so that every attempt makes the same resource. */
  readonly fresh: string;
}

/** An entry that writes, with what does not change between attempts. */
export type Step = StepHead &
  (
    | { readonly kind: 'create' | 'update'; readonly resource: Resource }
    | { readonly kind: 'patch'; readonly patch: Patch }
    | { readonly kind: 'delete' }
  );

const kinds: Readonly<Record<string, Step['kind']>> = {
  DELETE: 'delete',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
};
const order: Readonly<Record<Step['kind'], number>> = { delete: 0, create: 1, update: 2, patch: 2 };
const permissions: Readonly<Record<Step['kind'], Permission>> = {
  delete: 'delete',
  create: 'create',
  update: 'update',
  patch: 'update',
};

/** Puts the steps into the specification's order; within a kind, into that of the Bundle. */
export const inOrder = (steps: Step[]): Step[] =>
  steps.sort((a, b) => order[a.kind] - order[b.kind] || a.entry.index - b.entry.index);

/** @throws FhirError naming the entry */
export function stepOf(context: Context, entry: EntryRequest): Step {
  try {
    return read(context, entry);
  } catch (error) {
    throw atEntry(error, entry.index);
  }
}

function read(context: Context, entry: EntryRequest): Step {
  const { method, path, query } = entry;
  const place = `Bundle.entry[${entry.index}].request.url`;
  const refuse = (text: string): never => {
    throw new FhirError('not-supported', text, { expression: place });
  };
  const [type, id, ...more] = path;
  if (type === undefined || more.length > 0 || type.startsWith('$') || id?.startsWith('$') === true)
    return refuse(
      'A writing entry of a transaction names a type, a type with criteria, or a type and an id.',
    );
  if (!resourceTypes().has(type))
    throw new FhirError('not-found', `There is no resource type "${type.slice(0, 80)}".`, {
      expression: place,
    });
  const kind = kinds[method]!;
  if (!context.grant.permits(permissions[kind], type))
    throw new FhirError('forbidden', `You may not ${permissions[kind]} ${type}.`);
  if (kind === 'create' && (id !== undefined || query !== undefined))
    return refuse('A POST entry names the type alone.');
  if (kind !== 'create' && id === undefined && query === undefined)
    return refuse(`A ${method} entry needs an id or criteria.`);
  if (id !== undefined) checkId(id);
  const criteria = kind === 'create' ? entry.ifNoneExist : id === undefined ? query : undefined;
  const keys =
    criteria !== undefined ? locksOf(type, criteria) : id !== undefined ? [refKey({ type, id })] : [];
  const head: StepHead = { entry, type, id, criteria, keys, fresh: newId() };
  switch (kind) {
    case 'create':
    case 'update':
      return { ...head, kind, resource: checked(entry.resource, type) };
    case 'patch':
      return { ...head, kind, patch: patchIn(patchDocument(entry.resource ?? null)) };
    case 'delete':
      return { ...head, kind };
  }
}

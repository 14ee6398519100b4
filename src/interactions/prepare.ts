// From a checked resource to a Write: the one place where bytes are stamped and index rows made. Every writing
// interaction's `prepare` ends here, and so does every entry of a transaction. https://hl7.org/fhir/R4/http.html#create
import { FhirError, type Issue } from '../errors.js';
import { now } from '../fhir/ids.js';
import { isObject, parseJson } from '../fhir/json.js';
import { checkReferences, localReferences, parseReference, referencesIn } from '../fhir/reference.js';
import { idPattern, type Ref, type Resource } from '../fhir/resource.js';
import { resourceTypes } from '../fhir/definitions.js';
import { stamp } from '../fhir/stamp.js';
import { indexRows } from '../search/index-rows.js';
import type { Row } from '../search/rows.js';
import { severalIsTwo } from './judge.js';
import type { Method, Version, Write, WriteCondition } from '../storage/store.js';
import { checkGate } from '../validation/gate.js';
import type { Settings } from './context.js';

/** What became of one interaction; answer.ts makes the response, transaction.ts the entry. */
export interface Result {
  readonly status: 200 | 201 | 204;
  /** The version that is current afterwards; a tombstone after a deletion; absent where nothing is there. */
  readonly version?: Version;
  readonly issues?: readonly Issue[];
}

/** A judged interaction: nothing is stored until commit has taken `writes`. */
export interface Prepared {
  readonly writes: readonly Write[];
  readonly result: Result;
}

/** The resource of a request body, its syntax, type and structure checked. Its id is the caller's to judge. */
export function resourceOf(body: Uint8Array | undefined, type: string): Resource {
  if (body === undefined || body.length === 0)
    throw new FhirError('required', `The request needs a body: a ${type} as JSON.`);
  const resource = parseJson(body);
  return checked(resource, type);
}

/** @throws FhirError where the value is not a structurally valid resource of the type. */
export function checked(value: unknown, type: string): Resource {
  if (!isObject(value))
    throw new FhirError('structure', `Expected a ${type} as a JSON object.`, { expression: type });
  const found = value['resourceType'];
  if (found === undefined) {
    throw new FhirError('wrong-type', `resourceType is missing; expected "${type}".`, {
      expression: 'resourceType',
    });
  }
  if (typeof found !== 'string' || !resourceTypes().has(found)) {
    throw new FhirError(
      'wrong-type',
      `${JSON.stringify(found)} is not a resource type of FHIR R4; expected "${type}".`,
      {
        expression: 'resourceType',
      },
    );
  }
  if (found !== type) {
    throw new FhirError('wrong-type', `The body is a ${found}; this URL takes a ${type}.`, {
      expression: 'resourceType',
    });
  }
  const resource = value as Resource;
  checkGate(resource);
  checkReferences(resource);
  return resource;
}

/** @throws FhirError `wrong-id` where a client names an id that FHIR does not allow. */
export function checkId(id: string): void {
  if (!idPattern.test(id)) {
    throw new FhirError(
      'wrong-id',
      `"${id.slice(0, 80)}" is not an id: 1 to 64 of A-Z, a-z, 0-9, "-" and ".".`,
    );
  }
}

/** The resource of a version, which must have a body. */
export const resourceIn = (version: Version): Resource => parseJson(version.body!) as Resource;

const indexed = new WeakMap<Resource, { bases: unknown; custom: unknown; rows: readonly Row[] }>();

/** Index rows of a resource that is not changed any more; kept for the write, where consents ask for them before. */
export function rowsOf(resource: Resource, settings: Settings): readonly Row[] {
  const { bases, custom } = settings;
  const known = keptRows(resource, settings);
  if (known !== undefined) return known;
  const rows = indexRows(resource, settings);
  indexed.set(resource, { bases, custom, rows });
  return rows;
}

function keptRows(resource: Resource, { bases, custom }: Settings): readonly Row[] | undefined {
  const known = indexed.get(resource);
  return known?.bases === bases && known.custom === custom ? known.rows : undefined;
}

/** Index rows of a stored version; a tombstone has none. */
export const rowsIn = (version: Version | undefined, settings: Settings): readonly Row[] =>
  version?.body === undefined ? [] : indexRows(resourceIn(version), settings);

/** The generation of the search parameters that rows are made with now. */
const madeWith = ({ custom }: Settings): { index?: number } =>
  custom === undefined ? {} : { index: custom.generation };

const questionMark = 63;

/** The write that makes `resource` the successor of `before`, and the version it will be. */
export function writeOf(
  settings: Settings,
  ref: Ref,
  before: Version | undefined,
  method: Method,
  resource: Resource,
  condition?: WriteCondition,
): { write: Write; version: Version } {
  settings.validation.judgeWrite(resource);
  const expected = before?.version ?? 0;
  const lastUpdated = now();
  const body = stamp(resource, { id: ref.id, version: expected + 1, lastUpdated });
  if (body.includes(questionMark)) refuseConditional(resource);
  const requires = settings.referencesMustExist ? localReferences(resource, settings.bases) : [];
  const write: Write = {
    ref,
    expected,
    method,
    lastUpdated,
    body,
    rows: keptRows(resource, settings) ?? indexRows(resource, settings),
    replaces: rowsIn(before, settings),
    ...madeWith(settings),
    ...(condition === undefined ? {} : { condition }),
    ...(requires.length === 0 ? {} : { requires }),
  };
  return { write, version: { ref, version: expected + 1, lastUpdated, method, body } };
}

/** The resource with the labels that patients' consents put on it. */
export const labelled = (settings: Settings, resource: Resource, id: string): Resource | Promise<Resource> =>
  settings.consents?.labelled(resource, id) ?? resource;

/** @throws FhirError `invalid-reference` for `Type?criteria`: only a transaction exchanges it, and it did before. */
function refuseConditional(resource: Resource): void {
  for (const { reference, expression } of referencesIn(resource)) {
    if (parseReference(reference).kind !== 'conditional') continue;
    throw new FhirError(
      'invalid-reference',
      `"${reference.slice(0, 200)}" selects by criteria, which only an entry of a transaction may; name the resource as Type/id.`,
      { expression: expression() },
    );
  }
}

/** The write that deletes the current version. */
export function deletionOf(
  settings: Settings,
  before: Version,
  condition?: WriteCondition,
): { write: Write; version: Version } {
  const lastUpdated = now();
  const write: Write = {
    ref: before.ref,
    expected: before.version,
    method: 'DELETE',
    lastUpdated,
    rows: [],
    replaces: rowsIn(before, settings),
    ...madeWith(settings),
    ...(condition === undefined ? {} : { condition }),
    ...(settings.refuseDeleteOfReferenced ? { unreferenced: true } : {}),
  };
  return { write, version: { ref: before.ref, version: before.version + 1, lastUpdated, method: 'DELETE' } };
}

/** @throws FhirError `multiple-matches` (412) where criteria that must select one resource found several. */
export function atMostOne(found: readonly Ref[], criteria: string): Ref | undefined {
  if (found.length >= severalIsTwo) {
    throw new FhirError(
      'multiple-matches',
      `The criteria "${criteria}" find more than one resource; they must find at most one.`,
    );
  }
  return found[0];
}

// References among the entries of a transaction, and conditional ones, made literal. https://hl7.org/fhir/R4/http.html#trules,
// https://hl7.org/fhir/R4/bundle.html#references
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { parseReference, referencesIn, rewriteReferences } from '../fhir/reference.js';
import { refKey, type Resource } from '../fhir/resource.js';
import type { Context } from './context.js';
import { criteriaOf } from './criteria.js';
import type { Judge } from './judge.js';
import { atMostOne } from './prepare.js';
import type { Identity } from './transaction-identity.js';
import type { Step } from './transaction-step.js';

/** fullUrl → `Type/id` for every entry that a reference may name by it. */
export type Places = ReadonlyMap<string, string>;

/** @throws FhirError `overlapping-entries` where two entries have the same fullUrl */
export function placesOf(steps: readonly Step[], identities: readonly Identity[]): Places {
  const places = new Map<string, string>();
  steps.forEach(({ kind, entry: { fullUrl, index } }, i) => {
    const ref = identities[i]!.ref;
    if (fullUrl === undefined || ref === undefined || kind === 'delete') return;
    if (places.has(fullUrl)) {
      throw new FhirError('overlapping-entries', `Two entries have the fullUrl ${fullUrl.slice(0, 200)}.`, {
        expression: `Bundle.entry[${index}].fullUrl`,
      });
    }
    places.set(fullUrl, refKey(ref));
  });
  return places;
}

const restUrl = /^(https?:\/\/.*\/)[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;
const versioned = /^(https?:.*)\/_history\/[A-Za-z0-9\-.]{1,64}$/;

export class EntryReferences {
  /** Thousands of entries may select the same resource: it is looked for once. */
  private readonly selections = new Map<string, Promise<string>>();

  constructor(
    private readonly context: Context,
    private readonly judge: Judge,
    private readonly places: Places,
  ) {}

  /** The resource with every reference by fullUrl made literal. */
  rewrite(resource: Resource): Resource {
    return rewriteReferences(resource, reference => this.placeOf(reference));
  }

  /** The resource of an entry with every reference to an entry, and every conditional one, made literal. */
  async resolve(resource: Resource, fullUrl: string | undefined): Promise<Resource> {
    const root = fullUrl === undefined ? undefined : restUrl.exec(fullUrl)?.[1];
    const found = new Map<string, string>();
    for (const { reference, expression } of referencesIn(resource)) {
      if (found.has(reference)) continue;
      const place =
        this.placeOf(reference) ?? (root === undefined ? undefined : this.placeOf(root + reference));
      const kind = place === undefined ? parseReference(reference).kind : 'literal';
      if (place !== undefined) found.set(reference, place);
      else if (kind === 'conditional')
        found.set(reference, await at(expression(), () => this.select(reference)));
      else if (kind === 'urn') {
        throw new FhirError(
          'invalid-reference',
          `"${reference.slice(0, 200)}" is not the fullUrl of any entry of this transaction.`,
          { expression: expression() },
        );
      }
    }
    return found.size === 0 && this.places.size === 0
      ? resource
      : rewriteReferences(resource, reference => found.get(reference) ?? this.placeOf(reference));
  }

  private select(reference: string): Promise<string> {
    let selection = this.selections.get(reference);
    if (selection === undefined) {
      selection = selected(this.context, this.judge, reference);
      this.selections.set(reference, selection);
    }
    return selection;
  }

  /** A reference that names a version of the sender's leads to the resource: versions here are others. */
  private placeOf(url: string): string | undefined {
    return this.places.get(url) ?? this.places.get(versioned.exec(url)?.[1] ?? '');
  }
}

/** The one resource a conditional reference selects. */
async function selected(context: Context, judge: Judge, reference: string): Promise<string> {
  const type = reference.slice(0, reference.indexOf('?'));
  if (!resourceTypes().has(type))
    throw new FhirError('invalid-reference', `"${type}" is not a resource type.`);
  const { found } = await judge.find(criteriaOf(context, type, reference), []);
  const one = atMostOne(found, reference);
  if (one === undefined)
    throw new FhirError('invalid-reference', `The conditional reference "${reference}" finds no ${type}.`);
  return refKey(one);
}

/** Says where the reference stands whose selection failed. */
async function at<T>(expression: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FhirError)) throw error;
    throw new FhirError(error.code, error.message, { expression, cause: error.cause });
  }
}

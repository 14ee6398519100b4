// What dispatch hands to an interaction: the request, where it leads, and a store that already knows who asks.
import type { Grant, Permission } from '../auth/grant.js';
import type { GuardedStore } from '../auth/guarded-store.js';
import type { CompartmentType } from '../fhir/compartments.js';
import type { JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import type { Documents } from '../storage/documents.js';
import type { Page, Write } from '../storage/store.js';
import type { SearchPlan } from '../search/plan.js';
import type { ActiveParameters } from '../jobs/active-parameters.js';
import type { Queue } from '../jobs/queue.js';
import type { CustomParameters } from '../search/parameters.js';
import type { NamedQuery } from '../search/named-query.js';
import type { ServerCatalog } from '../terminology/server-catalog.js';
import type { FhirRequest, FhirResponse } from './exchange.js';
import type { PageCache } from './page-cache.js';
import type { KeptPackage } from '../validation/installed.js';
import type { Validation } from '../validation/validation.js';
import type { WriteRule } from './write-rule.js';

/** The settings interactions depend on; config.ts has the sentence and the default of each. */
export interface Settings {
  /** Absolute bases by which this server is known, the public one first; for recognising its own URLs. */
  readonly bases: readonly string[];
  /** IANA zone that dates without a zone are read in. */
  readonly zone: string;
  readonly defaultCount: number;
  readonly maxCount: number;
  readonly maxBundleEntries: number;
  /** May a PUT create a resource under an id the client chose? */
  readonly clientIds: boolean;
  /** Must literal references on write lead to an existing resource? */
  readonly referencesMustExist: boolean;
  /** Must a resource that others refer to stay? */
  readonly refuseDeleteOfReferenced: boolean;
  readonly conditionalDelete: 'off' | 'single' | 'multiple';
  /** Must every update carry If-Match? */
  readonly requireIfMatch: boolean;
  readonly expunge: boolean;
  /** Secret that seals page links; 32 bytes. */
  readonly cursorKey: Uint8Array;
  /** Pages of searches that may be sent again. */
  readonly pages: PageCache;
  readonly version: string;
  /** CapabilityStatement.rest.security of the running authorization server; undefined where none runs. */
  readonly security?: () => JsonObject | undefined;
  /** Search parameters beside those of the specification, as they are now. */
  readonly custom?: CustomParameters | undefined;
  /** Looks again which they are, where a commit was refused because they have changed. */
  readonly refreshCustom?: () => Promise<void>;
  /** Takes turns where those who write the same do so in another thread. Absent: in this one. */
  readonly inTurn?: <T>(keys: readonly string[], work: () => Promise<T>) => Promise<T>;
  readonly rules: readonly WriteRule[];
  /** AuditEvents, for whoever may know that some are about a patient; absent where nothing is audited. */
  readonly disclosures?: (plan: SearchPlan) => Promise<Page>;
  /** What patients' consents add to writes; absent where none are kept. */
  readonly consents?: Consents;
  /** Moves a patient's record to another facility, and answers how many resources; absent where there are none. */
  readonly move?: (patient: string, facility: string) => Promise<number>;
  /** What writes are judged by, and $validate answers by. */
  readonly validation: Validation;
  /** Keeps a package and uses it from then on. */
  readonly installPackage: (kept: KeptPackage) => Promise<void>;
  /** Where apps keep their state; absent where they may not. */
  readonly appState?: Documents;
  /** What `_query` may name. */
  readonly queries: readonly NamedQuery[];
}

export interface Consents {
  /** The resource as it is to be stored: with the labels that consents put on it, and no others of theirs. */
  labelled(resource: Resource, id: string): Resource | Promise<Resource>;
  /** What a change of consents changes in other resources, for the same commit. */
  effects(writes: readonly Write[]): Promise<readonly Write[]>;
  committed(writes: readonly Write[]): Promise<void>;
  /** Nothing of them was stored. */
  refused(writes: readonly Write[]): Promise<void>;
  /** Lets an account see past a patient's consent until then, ms since 1970 UTC. */
  breakGlass(broken: { account: string; patient: string; reason: string; until: number }): Promise<void>;
  /** How long that is, in minutes. */
  readonly breakGlassMinutes: number;
  stop(): Promise<void>;
}

export interface Context {
  readonly request: FhirRequest;
  readonly grant: Grant;
  readonly store: GuardedStore;
  /** The code systems, value sets and concept maps the caller may know of. */
  readonly catalog: ServerCatalog;
  readonly settings: Settings;
  /** From the path; '' where the route has none. */
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  /** The type that the path's compartment is about; `id` is that resource's then, and `type` what is searched in it. */
  readonly compartment: CompartmentType | undefined;
  readonly jobs: Jobs;
  /** Runs another request under the same grant: batch entries, and the reads of a transaction. */
  readonly dispatch: (request: FhirRequest) => Promise<FhirResponse>;
}

/** Work that goes on after the answer. */
export interface Jobs {
  readonly queue: Queue;
  readonly parameters: ActiveParameters;
  /** There is something to do. */
  wake(): void;
}

export type Handler = (context: Context) => Promise<FhirResponse>;

/** One row of routes.ts. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `[type]`, `[compartment]`, `[id]` and `[vid]` stand for one segment each. */
  readonly path: string;
  /** Which types `[type]` may be; absent: all. */
  readonly types?: readonly string[];
  /** The specification's code for it, as in CapabilityStatement and logs. */
  readonly interaction: string;
  /** What the grant must permit on the type; absent where the handler judges entry by entry. */
  readonly permission?: Permission;
  readonly handler: Handler;
}

// What one validation carries along: the resource it is in, what it may ask, and where findings go.
import type { JsonObject } from '../fhir/json.js';
import type { Finding, Report } from './finding.js';
import type { Item } from './items.js';
import type { Profile, Profiles } from './profiles.js';
import type { Terminology } from './terminology.js';
import type { compileInvariants, InvariantPorts } from './invariants.js';

/** The resource a value is in. Contained resources share `root` with their container; entries have their own. */
export interface Frame {
  readonly resource: JsonObject;
  readonly root: JsonObject;
  readonly path: string;
  readonly parent: Frame | undefined;
  /** Of a Bundle's entry. */
  readonly fullUrl: string | undefined;
}

/** Where a reference leads. */
export interface Target {
  readonly item: Item;
  readonly frame: Frame;
  readonly kind: 'contained' | 'bundled' | 'referenced';
}

export interface WalkOptions {
  /** What an extension whose definition is not known is. */
  readonly unknownExtensions: (url: string) => Finding['severity'];
  /** What a profile that is declared and not known is. */
  readonly unknownProfiles: Finding['severity'];
  /** What a display that is none of its code's is. */
  readonly wrongDisplays: Finding['severity'];
  /** Whether relative references between resources sent together must lead to one of them. */
  readonly referencesMustResolve: boolean;
  /** Whether strings may hold what a browser takes for markup. */
  readonly markupInStrings: boolean;
  /** Whether urls may lead to domains that are for examples. */
  readonly exampleUrls: boolean;
  /** `invariants`: of the walk along the type only those, as every write is judged; profiles are judged in full. */
  readonly only: 'invariants' | 'everything';
}

export interface Run {
  readonly options: WalkOptions;
  readonly profiles: Profiles;
  readonly terminology: Terminology;
  readonly compileInvariants: typeof compileInvariants;
  /** What constraints on an element in the frame may ask. */
  readonly ports: (frame: Frame) => InvariantPorts;
  readonly report: Report;
  /** Place and profile of the walks under way. */
  readonly walking: Set<string>;
  /** Undefined where this server cannot know what a reference leads to. */
  readonly resolve: (reference: string, frame: Frame) => Target | undefined;
  /** Judges an item by a profile, once. */
  readonly judge: (item: Item, profile: Profile, frame: Frame) => void;
  /** Whether the item is what the profile asks; remembered for resources. */
  readonly conforms: (item: Item, profile: Profile, frame: Frame) => boolean;
  /** Judges a resource that was walked along its type by the profiles and rules that apply to it. */
  readonly judgeResource: (item: Item, frame: Frame) => void;
  /** The same run with findings going elsewhere. */
  readonly reporting: (report: Report) => Run;
}

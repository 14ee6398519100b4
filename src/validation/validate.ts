// Judges a resource in full: the gate, the walk along its type, its profiles, and the rules of whole resources.
// https://hl7.org/fhir/R4/validation.html, https://hl7.org/fhir/R4/operationoutcome.html
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import type { Terminology } from './terminology.js';
import type { Finding, Report } from './finding.js';
import { gate } from './gate.js';
import type { compileInvariants, InvariantPorts } from './invariants.js';
import type { Item } from './items.js';
import { walkProfile } from './profile-walk.js';
import type { Profile, Profiles } from './profiles.js';
import { resolveWithin } from './references.js';
import type { Frame, Run, Target, WalkOptions } from './run.js';
import { kindsOf } from './types.js';
import { vitalSignProfiles } from './vital-signs.js';
import { walkResource } from './walker.js';
import type { ResourceRule, Surroundings } from './finding.js';

/** What a validator is made of. */
export interface ValidatorParts {
  readonly profiles: Profiles;
  readonly terminology: Terminology;
  readonly compileInvariants: typeof compileInvariants;
  readonly rulesFor: (type: string) => readonly ResourceRule[];
  /** A definition other than a profile, by type and canonical. */
  readonly find?: (type: string, canonical: string) => JsonObject | undefined;
  /** Profiles every resource of a type must have: by configuration, or by the guides that are installed. */
  readonly requiredProfiles?: (type: string) => readonly string[];
}

export interface ValidateOptions extends Partial<WalkOptions> {
  /** The resource has passed the gate already. */
  readonly isGated?: boolean;
  /** Rules whose findings are errors, whatever they are otherwise. */
  readonly asErrors?: ReadonlySet<string>;
  /** Canonicals to judge by, beside those the resource declares. */
  readonly profiles?: readonly string[];
  /** A definition that rules ask for, beside those the validator knows. @throws NotLoaded */
  readonly find?: (type: string, canonical: string) => JsonObject | undefined;
  /** What a reference out of the resource leads to, where that is known. */
  readonly resolve?: (reference: string) => Resource | undefined;
}

export type Validate = (resource: Resource, options?: ValidateOptions) => readonly Finding[];

const most = 100;
/** Items that the constraints of one validation touch: some ten times what a bundle of 5 MB needs, and a few seconds. */
const mostSteps = 20_000_000;

export function createValidator(parts: ValidatorParts): Validate {
  return (resource, options = {}) => {
    const found = new Map<string, Finding>();
    let unlisted = 0;
    const report: Report = told => {
      const isRaised = told.rule !== undefined && options.asErrors?.has(told.rule) === true;
      const finding: Finding = isRaised ? { ...told, severity: 'error' } : told;
      const key = `${finding.expression} ${finding.rule ?? ''} ${finding.severity} ${finding.text}`;
      if (found.has(key)) return;
      if (found.size < most) found.set(key, finding);
      else unlisted++;
    };
    const shape = options.isGated === true ? [] : gate(resource);
    for (const { severity, code, text, expression = '' } of shape)
      report({ severity: severity === 'fatal' ? 'error' : severity, code, text, expression, rule: 'gate' });
    const frame: Frame = {
      resource,
      root: resource,
      path: resource.resourceType,
      parent: undefined,
      fullUrl: undefined,
    };
    const run = createRun(parts, options, report);
    walkResource(resource, frame, run);
    const item: Item = { value: resource, sibling: undefined, type: resource.resourceType, path: frame.path };
    for (const url of options.profiles ?? []) judgeBy(url, item, frame, run, 'error');
    const findings = [...found.values()];
    if (unlisted > 0)
      findings.push({
        severity: findings.some(({ severity }) => severity === 'error') ? 'error' : 'information',
        code: 'processing',
        expression: resource.resourceType,
        text: `${unlisted} more findings are not listed.`,
        rule: 'more',
      });
    return findings;
  };
}

function judgeBy(url: string, item: Item, frame: Frame, run: Run, unknown: Finding['severity']): void {
  const say = (severity: Finding['severity'], code: string, text: string): void =>
    run.report({ severity, code, expression: item.path, text, rule: 'profile-unknown', profile: url });
  const profile = run.profiles.get(url);
  if (!profile) say(unknown, 'not-found', `The profile ${url.slice(0, 200)} is not known here.`);
  else if (profile.type !== item.type)
    say('error', 'structure', `The profile ${url} is for ${profile.type}, and this is a ${item.type}.`);
  else run.judge(item, profile, frame);
}

function createRun(parts: ValidatorParts, options: ValidateOptions, report: Report): Run {
  const conforming = new Map<unknown, Map<string, boolean>>();
  const walk: WalkOptions = {
    unknownExtensions: options.unknownExtensions ?? (() => 'information'),
    unknownProfiles: options.unknownProfiles ?? 'warning',
    wrongDisplays: options.wrongDisplays ?? 'warning',
    only: options.only ?? 'everything',
    referencesMustResolve: options.referencesMustResolve ?? false,
    markupInStrings: options.markupInStrings ?? true,
    exampleUrls: options.exampleUrls ?? true,
  };
  const resolve = (reference: string, frame: Frame): Target | undefined => {
    const near = resolveWithin(reference, frame);
    if (near || reference.startsWith('#')) return near;
    const resource = options.resolve?.(reference);
    if (!resource) return undefined;
    const item: Item = { value: resource, sibling: undefined, type: resource.resourceType, path: reference };
    return {
      item,
      frame: { resource, root: resource, path: reference, parent: undefined, fullUrl: undefined },
      kind: 'referenced',
    };
  };
  // Constraints on one resource come together, so the last ports are nearly always those wanted.
  const allowance = { steps: mostSteps };
  let last: { readonly frame: Frame; readonly ports: InvariantPorts } | undefined;
  const portsOf = (frame: Frame, run: Run): InvariantPorts => {
    if (last?.frame === frame) return last.ports;
    const ports: InvariantPorts = {
      allowance,
      resolve: reference => {
        const value = resolve(reference, frame)?.item.value;
        return isObject(value) ? value : undefined;
      },
      memberOf: (value, type, valueSet) => memberOf(parts.terminology, value, type, valueSet),
      conformsTo: (value, url) => {
        const profile = parts.profiles.get(url);
        const type = isObject(value) ? value['resourceType'] : undefined;
        if (!profile || typeof type !== 'string') return undefined;
        return run.conforms({ value, sibling: undefined, type, path: frame.path }, profile, frame);
      },
    };
    last = { frame, ports };
    return ports;
  };
  const made = (to: Report): Run => {
    const run: Run = {
      ...parts,
      ports: frame => portsOf(frame, run),
      options: walk,
      walking: new Set(),
      report: to,
      resolve,
      reporting: made,
      judge: (item, profile, frame) => judge(item, profile, frame, run),
      conforms: (item, profile, frame) => {
        // A profile met again while it is being judged holds: circles of references end there.
        const known = conforming.get(item.value) ?? new Map<string, boolean>();
        conforming.set(item.value, known);
        const before = known.get(profile.url);
        if (before !== undefined) return before;
        known.set(profile.url, true);
        let passes = kindsOf(item.type).has(profile.type);
        const quiet = made(({ severity }) => {
          if (severity === 'error') passes = false;
        });
        if (passes) walkProfile(item, profile, frame, quiet);
        known.set(profile.url, passes);
        return passes;
      },
      judgeResource: (item, frame) => {
        const resource = item.value as JsonObject;
        if (walk.only === 'everything')
          for (const rule of parts.rulesFor(item.type))
            rule(resource, item.path, to, around(frame, parts, options));
        const urls = new Set(declared(resource));
        for (const url of parts.requiredProfiles?.(item.type) ?? []) urls.add(url);
        if (item.type === 'Observation' && walk.only === 'everything')
          for (const url of vitalSignProfiles(resource)) urls.add(url);
        for (const url of urls) judgeBy(url, item, frame, run, walk.unknownProfiles);
      },
    };
    return run;
  };
  return made(report);
}

function around(frame: Frame, parts: ValidatorParts, options: ValidateOptions): Surroundings {
  const holders: JsonObject[] = [];
  for (let at = frame.parent; at; at = at.parent) holders.push(at.resource);
  return {
    holders,
    find: (type, canonical) => parts.find?.(type, canonical) ?? options.find?.(type, canonical),
    holds: parts.terminology.holds,
  };
}

/** Whether a code, or any coding of it, is in the value set. */
function memberOf(
  terminology: Terminology,
  value: Json,
  type: string,
  valueSet: string,
): boolean | undefined {
  const codings = isObject(value) ? (Array.isArray(value['coding']) ? value['coding'] : [value]) : [value];
  let isUnknown = false;
  for (const coding of codings) {
    const { system, code } = isObject(coding) ? coding : { system: undefined, code: coding };
    if (typeof code !== 'string') continue;
    if (typeof system !== 'string' && (type === 'Coding' || type === 'CodeableConcept')) continue;
    const is = terminology.holds(valueSet, typeof system === 'string' ? system : undefined, code);
    if (is === true) return true;
    isUnknown ||= is === 'unknown';
  }
  return isUnknown ? undefined : false;
}

const judge = (item: Item, profile: Profile, frame: Frame, run: Run): void =>
  walkProfile(item, profile, frame, run);

/** The profiles a resource says it has. */
export function declared(resource: JsonObject): readonly string[] {
  const meta = resource['meta'];
  const list = isObject(meta) ? meta['profile'] : undefined;
  return Array.isArray(list) ? list.filter((url): url is string => typeof url === 'string') : [];
}

// Validation as the server does it: how strictly, by which profiles, with what is known here.
// https://hl7.org/fhir/R4/validation.html
import { randomUUID } from 'node:crypto';
import { FhirError, type Issue, type IssueType } from '../errors.js';
import { isObject, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import type { CodeSystemDefinition, ValueSetDefinition } from '../fhir/definitions.js';
import { codeSystemOf, type Catalog } from '../terminology/catalog.js';
import type { Finding } from './finding.js';
import type { Installed } from './installed.js';
import { compileInvariants } from './invariants.js';
import { ownProfile, withOwn } from './own-profiles.js';
import { createProfiles } from './profiles.js';
import type { FindStructure, Structure } from './structure.js';
import { terminologyOf } from './terminology.js';
import { createValidator, declared, type Validate, type ValidateOptions } from './validate.js';
import { checkWriteInvariants } from './write-invariants.js';
import { rulesFor } from './rules.js';

/**
 * How far a write is judged beyond its shape, which always is.
 * `off`: not at all. `gate`: invariants, and the profiles it declares or must have. `full`: everything $validate looks at.
 * `strict`: the same, and what cannot be judged is refused too.
 */
export const levels = ['off', 'gate', 'full', 'strict'] as const;
export type Level = (typeof levels)[number];

export interface Validation {
  readonly level: Level;
  /** Everything there is to say. @throws NotLoaded */
  readonly validate: Validate;
  /** The same at a level: what is not known weighs more where it is `strict`. @throws NotLoaded */
  readonly validateAt: (level: Level, resource: Resource, options?: ValidateOptions) => readonly Finding[];
  /** @throws FhirError `invariant` where the resource may not be written; NotLoaded */
  readonly judgeWrite: (resource: Resource, level?: Level) => void;
  readonly installed: Installed;
}

export interface ValidationParts {
  readonly level: Level;
  /** Profiles that all resources of a type must have, by configuration. */
  readonly required: ReadonlyMap<string, readonly string[]>;
  readonly installed: Installed;
  readonly catalog: Catalog;
  /** Definitions stored as resources, by type and canonical. @throws NotLoaded */
  readonly stored?: {
    readonly find: (type: string, canonical: string) => JsonObject | undefined;
    readonly onChange: (listener: () => void) => void;
  };
}

export function createValidation(parts: ValidationParts): Validation {
  const { level, installed } = parts;
  const required = withOwn(parts.required);
  const requiredProfiles = (type: string): readonly string[] => {
    const own = required.get(type);
    const global = installed.globals(type);
    return own === undefined ? global : [...own, ...global];
  };
  const { stored } = parts;
  const findAny = (type: string, canonical: string): JsonObject | undefined =>
    stored?.find(type, canonical) ?? installed.find(type, canonical);
  const find: FindStructure = canonical =>
    ownProfile(canonical) ?? (findAny('StructureDefinition', canonical) as unknown as Structure | undefined);
  let profiles = createProfiles(find);
  const make = (): Validate =>
    createValidator({
      profiles,
      terminology: terminologyOf(withPackages(parts.catalog, installed)),
      compileInvariants,
      rulesFor,
      find: (type, canonical) =>
        type === 'StructureDefinition'
          ? (find(canonical) as unknown as JsonObject | undefined)
          : findAny(type, canonical),
      requiredProfiles,
    });
  let validator = make();
  const anew = (): void => {
    profiles = createProfiles(find);
    validator = make();
  };
  installed.onChange(anew);
  stored?.onChange(anew);
  const validateAt: Validation['validateAt'] = (at, resource, options) =>
    validator(resource, at === 'strict' ? { ...strict, ...options } : options);
  return {
    level,
    installed,
    validate: (resource, options) => validator(resource, options),
    validateAt,
    judgeWrite(resource, at = level) {
      if (at === 'off') return;
      // Most writes ask for no profile that is known here: for them the invariants alone, fifteen times as fast.
      if (at === 'gate') {
        checkWriteInvariants(resource);
        if (!asksProfile(resource, requiredProfiles, url => profiles.get(url) !== undefined)) return;
      }
      const options: ValidateOptions = { isGated: true, only: at === 'gate' ? 'invariants' : 'everything' };
      const findings = validateAt(at, resource, options);
      const errors = findings.filter(({ severity }) => severity === 'error');
      if (errors.length === 0) return;
      const [first] = errors;
      const message = errors.length === 1 ? first!.text : `${first!.text} (and ${errors.length - 1} more)`;
      throw new FhirError('invariant', message, {
        expression: first!.expression,
        issues: findings.filter(({ severity }) => severity !== 'information').map(issueOf),
      });
    },
  };
}

/** Whether the resource, or one within it, is to be of a profile that is known. */
function asksProfile(
  resource: JsonObject,
  required: (type: string) => readonly string[],
  isKnown: (url: string) => boolean,
): boolean {
  const type = resource['resourceType'];
  if (declared(resource).some(isKnown)) return true;
  if (typeof type === 'string' && required(type).length > 0) return true;
  const within = [
    resource['contained'],
    ...[resource['entry'], resource['parameter']].flatMap(list =>
      Array.isArray(list) ? list.map(one => (isObject(one) ? (one['resource'] ?? null) : null)) : [],
    ),
  ].flat();
  return within.some(one => isObject(one) && asksProfile(one, required, isKnown));
}

const strict: ValidateOptions = {
  unknownExtensions: () => 'error',
  unknownProfiles: 'error',
  wrongDisplays: 'error',
  asErrors: new Set(['narrative-anchor', 'type-profile-unknown']),
};

const issueTypes: ReadonlySet<string> = new Set([
  'structure',
  'value',
  'required',
  'invalid',
  'invariant',
  'code-invalid',
  'not-found',
  'extension',
  'business-rule',
  'duplicate',
  'too-long',
  'informational',
  'processing',
  'exception',
] satisfies IssueType[]);

/** A finding as an issue of an outcome. The rule and the profile that asks for it are told behind the words. */
export function issueOf({ severity, code, expression, text, rule, profile }: Finding): Issue {
  const why = [rule, profile].filter(one => one !== undefined).join(', ');
  return {
    severity,
    code: issueTypes.has(code) ? (code as IssueType) : 'processing',
    text,
    expression,
    ...(why === '' ? {} : { diagnostics: why }),
  };
}

/** The terminology of the packages over another. */
function withPackages(below: Catalog, installed: Installed): Catalog {
  const key = `packages ${randomUUID()}`;
  const canonical = (url: string, version: string | undefined): string =>
    version === undefined ? url : `${url}|${version}`;
  return {
    codeSystem(url, version) {
      const known = below.codeSystem(url, version);
      if (known && known.content === 'complete') return known;
      const found = installed.find('CodeSystem', canonical(url, version));
      return found === undefined ? known : codeSystemOf(found as unknown as CodeSystemDefinition);
    },
    valueSet(url, version) {
      const found = installed.find('ValueSet', canonical(url, version));
      return (
        below.valueSet(url, version) ??
        (found === undefined ? undefined : (found as unknown as ValueSetDefinition))
      );
    },
    conceptMaps: (url, version) => below.conceptMaps(url, version),
    valueSetWithId: id => below.valueSetWithId(id),
    // What is remembered goes with what is below, and is not shared with another server's packages.
    get memory() {
      let memory = below.memory.get(key) as Map<string, unknown> | undefined;
      if (memory === undefined) {
        memory = new Map();
        below.memory.set(key, memory);
      }
      return memory;
    },
  };
}

// Roles: which types a person of a role may create, read, update, delete and search, which of them, and without which
// elements. Data: shipped in role-data.ts, changed in the documents port, read anew whenever a token is looked up (at most
// ten seconds). Scopes only ever narrow them. https://hl7.org/fhir/R4/security.html#rbac
import { FhirError } from '../errors.js';
import { resourceTypes } from '../fhir/definitions.js';
import { queryOf } from '../fhir/query.js';
import { shapeOf } from '../fhir/shape.js';
import { criterion } from '../search/criteria.js';
import { and, all, none, type Node } from '../search/plan.js';
import type { ParseSettings } from '../search/types/search-type.js';
import type { Documents } from '../storage/documents.js';
import type { Permission } from './grant.js';
import { abilities, type Ability, type Role, type RolePermission } from './role.js';
import { shippedRoles } from './role-data.js';

export type Roles = ReadonlyMap<string, Role>;

/** As they come with the server. */
export const shipped: Roles = new Map(Object.entries(shippedRoles));

export interface RoleBook {
  /** What holds now: those that were set, and the shipped ones beside them. */
  all(): Promise<Roles>;
  /** @throws FhirError `value` where it is no role, `not-found` for a name that is not shipped */
  set(name: string, role: unknown): Promise<Role>;
  /** Back to the shipped one; whether it was another. */
  reset(name: string): Promise<boolean>;
}

const collection = 'roles';

export function openRoles(documents: Documents): RoleBook {
  return {
    async all() {
      const kept = await documents.list(collection);
      return new Map([...shipped, ...kept.map(({ key, value }) => [key, value as Role] as const)]);
    },
    async set(name, given) {
      if (!shipped.has(name))
        throw new FhirError('not-found', `There is no role "${name}": ${[...shipped.keys()].join(', ')}.`);
      const role = readRole(given);
      await documents.put(collection, name, role);
      return role;
    },
    reset: name => documents.delete(collection, name),
  };
}

const lettersOf: Readonly<Record<Permission, string>> = {
  create: 'c',
  read: 'r',
  update: 'u',
  delete: 'd',
  search: 's',
};

const covers = ({ types, except = [], may }: RolePermission, type: string, permission: Permission): boolean =>
  may.includes(lettersOf[permission]) &&
  (types.includes('*') || types.includes(type)) &&
  !except.includes(type);

/** The conditions under which the role has the permission; none: it does not have it. */
export function conditionsOf(
  role: Role,
  type: string,
  permission: Permission,
  user: string | undefined,
  settings: ParseSettings,
): readonly Node[] {
  return role.permissions
    .filter(one => covers(one, type, permission))
    .map(({ where }) => (where === undefined ? all : condition(type, where, user, settings)));
}

function condition(type: string, where: string, user: string | undefined, settings: ParseSettings): Node {
  if (where.includes('{user}') && user === undefined) return none;
  const pairs = queryOf(where.replaceAll('{user}', encodeURIComponent(user ?? '')));
  try {
    return and(...pairs.map(([name, value]) => criterion([type], name, value, settings) ?? none));
  } catch (error) {
    // What a type does not have, nothing of it satisfies.
    if (error instanceof FhirError) return none;
    throw error;
  }
}

/** What the role has in common with `may`: letters of `cruds` for the type, for lists and tests. */
export const lettersFor = (role: Role, type: string): string =>
  [...'cruds'].filter(letter => role.permissions.some(one => one.may.includes(letter) && covers(one, type, permissionOf[letter]!))).join(''); // prettier-ignore

const permissionOf: Readonly<Record<string, Permission>> = {
  c: 'create',
  r: 'read',
  u: 'update',
  d: 'delete',
  s: 'search',
};

/** @throws FhirError `value` naming what is wrong */
export function readRole(given: unknown): Role {
  const wrong = (why: string): never => {
    throw new FhirError('value', `This is no role: ${why}`);
  };
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
  const isRecord = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const texts = (value: unknown, what: string): readonly string[] =>
    Array.isArray(value) && value.every(isText) ? value : wrong(`${what} is a list of words.`);
  const only = (value: Record<string, unknown>, names: readonly string[], what: string): void => {
    const other = Object.keys(value).find(name => !names.includes(name));
    if (other !== undefined) wrong(`${what} has ${names.join(', ')}, not "${other}".`);
  };
  const typed = (value: unknown, what: string, star: boolean): readonly string[] => {
    const types = texts(value, what);
    const unknown = types.find(type => !(star && type === '*') && !resourceTypes().has(type));
    return unknown === undefined ? types : wrong(`"${unknown}" in ${what} is no resource type.`);
  };
  if (!isRecord(given)) return wrong('it is a JSON object.');
  only(
    given,
    ['says', 'reach', 'permissions', 'masks', 'abilities', 'purpose', 'secondFactor', 'consent'],
    'a role',
  );
  const {
    says,
    reach,
    permissions,
    masks = {},
    abilities: able = [],
    purpose,
    secondFactor,
    consent,
  } = given;
  if (!isText(says)) return wrong('says is a sentence.');
  if (reach !== 'all' && reach !== 'own') return wrong('reach is "all" or "own".');
  if (consent !== undefined && consent !== 'exempt') return wrong('consent is "exempt", or absent.');
  if (secondFactor !== undefined && secondFactor !== 'required')
    return wrong('secondFactor is "required", or absent.');
  if (purpose !== undefined && !(isText(purpose) && /^[A-Z]{2,12}$/.test(purpose)))
    return wrong('purpose is a code of v3-ActReason, such as "TREAT".');
  if (!Array.isArray(permissions)) return wrong('permissions is a list.');
  const read = (permissions as readonly unknown[]).map((one): RolePermission => {
    if (!isRecord(one)) return wrong('a permission is an object.');
    only(one, ['types', 'except', 'may', 'where'], 'a permission');
    const { may, where } = one;
    if (typeof may !== 'string' || !/^(?=.)c?r?u?d?s?$/.test(may))
      return wrong('may has letters of "cruds", in that order.');
    if (where !== undefined && !isText(where))
      return wrong('where is a search, such as "category=laboratory".');
    const permission = {
      types: typed(one['types'], 'types', true),
      ...(one['except'] === undefined ? {} : { except: typed(one['except'], 'except', false) }),
      may,
      ...(where === undefined ? {} : { where }),
    };
    if (where !== undefined) checkWhere(permission.types, where, wrong);
    return permission;
  });
  const unable = texts(able, 'abilities').find(one => !(abilities as readonly string[]).includes(one));
  if (unable !== undefined) return wrong(`"${unable}" is no ability: ${abilities.join(', ')}.`);
  if (!isRecord(masks)) return wrong('masks is an object: elements by type.');
  const role: Role = {
    says,
    reach,
    permissions: read,
    ...(Object.keys(masks).length === 0 ? {} : { masks: readMasks(masks, texts, wrong) }),
    ...(texts(able, 'abilities').length === 0 ? {} : { abilities: able as Ability[] }),
    ...(purpose === undefined ? {} : { purpose }),
    ...(secondFactor === undefined ? {} : { secondFactor }),
    ...(consent === undefined ? {} : { consent }),
  };
  for (const type of Object.keys(role.masks ?? {})) {
    if (/[ud]/.test(lettersFor(role, type)))
      wrong(`who does not see all of ${type} may not update or delete it: they would write back holes.`);
  }
  return role;
}

type Wrong = (why: string) => never;

function checkWhere(types: readonly string[], where: string, wrong: Wrong): void {
  for (const [name, value] of queryOf(where.replaceAll('{user}', 'Practitioner/1'))) {
    if (/\.|^_has:|^_filter|^_list|^_text|^_content/.test(name))
      wrong(`where "${name}" follows references or words.`);
    for (const type of types.includes('*') ? ['Basic'] : types) {
      try {
        if (criterion([type], name, value, { bases: [], zone: 'UTC', now: 0 }) === undefined)
          wrong(`where "${name}" has no value.`);
      } catch (error) {
        if (error instanceof FhirError) wrong(error.message);
        throw error;
      }
    }
  }
}

function readMasks(
  masks: Record<string, unknown>,
  texts: (value: unknown, what: string) => readonly string[],
  wrong: Wrong,
): Readonly<Record<string, readonly string[]>> {
  const always = new Set(['resourceType', 'id', 'meta']);
  for (const [type, elements] of Object.entries(masks)) {
    if (!resourceTypes().has(type)) wrong(`"${type}" in masks is no resource type.`);
    for (const element of texts(elements, `masks of ${type}`)) {
      const [first = ''] = element.split('.');
      const isThere = [...shapeOf(type).properties.values()].some(one => first === one.name || first === `${one.element}[x]`); // prettier-ignore
      if (!isThere || always.has(first)) wrong(`${type} has no element "${element}" that could be masked.`);
    }
  }
  return masks as Readonly<Record<string, readonly string[]>>;
}

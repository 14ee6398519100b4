// Structure definitions: differentials that a snapshot can be made of, discriminators that lead to elements, extensions
// that say their own url, constraints that can be read. https://hl7.org/fhir/R4/structuredefinition.html
import { structureDefinition as coreStructure } from '../../fhir/definitions.js';
import { isObject, type JsonObject } from '../../fhir/json.js';
import type { Resource } from '../../fhir/resource.js';
import { stepsOf } from '../discriminators.js';
import type { ElementNode } from '../element-tree.js';
import type { ResourceRule, Surroundings } from '../finding.js';
import { gate } from '../gate.js';
import { expressionProblem } from '../invariants.js';
import { createProfiles, type Profiles } from '../profiles.js';
import type { Structure } from '../structure.js';
import { childrenOf, kindsOf, typeTree } from '../types.js';
import { listIn, objectsIn, textIn } from './reading.js';

type Say = (expression: string, rule: string, text: string, severity?: 'error' | 'warning') => void;

export const structureDefinition: ResourceRule = (resource, path, report, around) => {
  const say: Say = (expression, rule, text, severity = 'error') =>
    report({ severity, code: 'business-rule', expression, text, rule: `structure-${rule}` });
  const url = textIn(resource, 'url') ?? '';
  const type = textIn(resource, 'type') ?? '';
  if (textIn(resource, 'derivation') !== 'constraint' || typeTree(type) === undefined) return;
  const base = textIn(resource, 'baseDefinition') ?? '';
  if (base.split('|', 1)[0] === url && url !== '')
    return say(path, 'base', 'A definition cannot be derived from itself.');
  const profiles = profilesWith(resource, url, around);
  const parent = base === '' ? undefined : profiles.get(base);
  if (parent === undefined) say(path, 'base', `The base ${base.slice(0, 200)} is not known here.`, 'warning');
  else if (!kindsOf(type).has(parent.type) && parent.type !== type)
    say(`${path}.baseDefinition`, 'base', `The base ${base} is for ${parent.type}, and this is for ${type}.`);
  // What is not of its shape cannot be built from; the gate says what is wrong with it.
  else if (gate(resource as Resource).length === 0)
    judgeDifferential(resource, type, url, path, profiles, say);

  const differential = isObject(resource['differential'] ?? null)
    ? (resource['differential'] as JsonObject)
    : {};
  listIn(differential, 'element').forEach((element, i) => {
    if (!isObject(element)) return;
    const place = `${path}.differential.element[${i}]`;
    judgeElement(element, place, type, profiles, say);
    if (type === 'Extension' && textIn(element, 'path') === 'Extension.url')
      judgeExtensionUrl(element, url, parent?.type === 'Extension' ? base : '', place, profiles, say);
  });
};

/** The profiles known, and this one as it stands. */
const profilesWith = (resource: JsonObject, url: string, around: Surroundings): Profiles =>
  createProfiles(canonical => {
    // Its own snapshot says nothing of its differential.
    const { snapshot: _snapshot, ...own } = resource;
    if (canonical === url) return own as unknown as Structure;
    return (around.find('StructureDefinition', canonical) ?? coreStructure(canonical)) as
      Structure | undefined;
  });

function judgeDifferential(
  resource: JsonObject,
  type: string,
  url: string,
  path: string,
  profiles: Profiles,
  say: Say,
): void {
  if (resource['differential'] === undefined) return;
  for (const problem of profiles.get(url)?.problems ?? [])
    say(`${path}.differential`, 'differential', `No snapshot can be made: ${problem}.`);
  // A slice is said to be sliced once, where its element is; again only with the same discriminators.
  const slicings = new Map<string, string>();
  const { differential } = resource;
  for (const element of isObject(differential ?? null)
    ? objectsIn(differential as JsonObject, 'element')
    : []) {
    const place = textIn(element, 'path') ?? '';
    if (!place.startsWith(type) || (place.length > type.length && place[type.length] !== '.'))
      say(
        `${path}.differential`,
        'differential',
        `No snapshot can be made: ${place.slice(0, 100)} is no element of ${type}.`,
      );
    const { slicing } = element;
    if (!isObject(slicing ?? null)) continue;
    const told = JSON.stringify((slicing as JsonObject)['discriminator'] ?? []);
    const before = slicings.get(place);
    if (before !== undefined && before !== told && textIn(element, 'sliceName') !== undefined)
      say(
        path,
        'slicing',
        `${place} is sliced by one rule, and its slice "${textIn(element, 'sliceName')!}" by another.`,
      );
    slicings.set(place, before ?? told);
  }
}

function judgeElement(element: JsonObject, place: string, type: string, profiles: Profiles, say: Say): void {
  const at = textIn(element, 'path') ?? '';
  const node = nodeAt(at, type);
  const { slicing } = element;
  if (isObject(slicing ?? null) && node !== undefined)
    objectsIn(slicing as JsonObject, 'discriminator').forEach((discriminator, i) => {
      const way = textIn(discriminator, 'path') ?? '';
      if (!leads(way, node))
        say(
          `${place}.slicing.discriminator[${i}]`,
          'discriminator',
          `The path "${way.slice(0, 100)}" leads nowhere from ${at}.`,
        );
    });
  objectsIn(element, 'constraint').forEach((constraint, i) => {
    const expression = textIn(constraint, 'expression');
    const problem = expression === undefined ? undefined : expressionProblem(expression, '');
    if (problem !== undefined)
      say(
        `${place}.constraint[${i}].expression`,
        'constraint',
        `The expression ${problem}: ${expression!.slice(0, 200)}`,
      );
  });
  objectsIn(element, 'type').forEach((one, i) => {
    const code = textIn(one, 'code') ?? '';
    listIn(one, 'profile').forEach((canonical, p) => {
      const profile = typeof canonical === 'string' ? profiles.structure(canonical) : undefined;
      const wanted = at.includes('.') ? code : type;
      if (
        profile !== undefined &&
        profile.type !== wanted &&
        !(open.has(wanted) && kindsOf(profile.type).has(wanted))
      )
        say(
          `${place}.type[${i}].profile[${p}]`,
          'type-profile',
          `The profile ${String(canonical)} is for ${profile.type}, and this is a ${wanted}.`,
        );
    });
  });
}

/** Types without values of their own: any derived type may stand for them. */
const open = new Set(['Resource', 'DomainResource', 'Element', 'BackboneElement']);

/** An element of a type by its path, through datatypes too; undefined where it is none. */
function nodeAt(path: string, type: string): ElementNode | undefined {
  let node: ElementNode | undefined = typeTree(type);
  for (const name of path.split('.').slice(1)) {
    if (node === undefined) return undefined;
    node = childNamed(node, name.replace('[x]', ''));
  }
  return node;
}

const childNamed = (node: ElementNode, name: string): ElementNode | undefined => {
  const types = node.variants.length > 0 ? node.variants : node.types.map(({ code }) => code);
  for (const code of types.length > 0 ? types : ['Element']) {
    const child = childrenOf(node, code).get(name);
    if (child !== undefined) return child;
  }
  return undefined;
};

/** Whether a discriminator's path leads to an element; behind resolve() and the like anything may be. */
function leads(path: string, node: ElementNode): boolean {
  const steps = stepsOf(path);
  if (steps === undefined) return false;
  let at: ElementNode | undefined = node;
  for (const step of steps) {
    if (step.kind !== 'child') return true;
    if (at.types.some(({ code }) => code === 'Resource' || code === 'Reference')) return true;
    at = childNamed(at, step.name);
    if (at === undefined) return false;
  }
  return true;
}

/** An extension is told by its url, which is that of the definition; one derived from another cannot change it. */
function judgeExtensionUrl(
  element: JsonObject,
  url: string,
  base: string,
  place: string,
  profiles: Profiles,
  say: Say,
): void {
  const fixed = textIn(element, 'fixedUri');
  if (fixed === undefined) return;
  const inherited = profiles.get(base)?.root.children?.get('url')?.fixed;
  const value = isObject(inherited) ? inherited['value'] : inherited;
  if (typeof value === 'string' && value !== fixed)
    say(
      `${place}.fixedUri`,
      'extension-url',
      `The url is ${fixed.slice(0, 200)}; the base has settled it as ${value}.`,
    );
  else if (fixed !== url && typeof value !== 'string')
    say(
      `${place}.fixedUri`,
      'extension-url',
      `The url is ${fixed.slice(0, 200)}, and the definition's is ${url.slice(0, 200)}.`,
      'warning',
    );
}

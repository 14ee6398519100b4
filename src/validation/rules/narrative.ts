// Narratives: XHTML that may be shown as it is, and links within it that lead somewhere.
// https://hl7.org/fhir/R4/narrative.html
import type { JsonObject } from '../../fhir/json.js';
import { narrativeProblems } from '../../fhir/xhtml.js';
import type { ResourceRule } from '../finding.js';
import { eachObject, textIn } from './reading.js';

export const narrative: ResourceRule = (resource, path, report, { holders }) => {
  // Only what is a resource of its own is judged here; those within are judged by themselves.
  eachOwn(resource, path, (object, place) => {
    const div = textIn(object, 'div');
    if (div === undefined) return;
    for (const { rule, text } of narrativeProblems(div))
      report({
        severity: 'error',
        code: 'invalid',
        expression: `${place}.div`,
        text,
        rule: `narrative-${rule}`,
      });
    // A link that leads nowhere harms nobody; where validation is strict it is an error.
    for (const [, target = ''] of div.matchAll(/<a\s[^<>]*?href\s*=\s*["']#([^"']+)["']/g))
      if (!hasAnchor(target, [resource, ...holders]))
        report({
          severity: 'warning',
          code: 'not-found',
          expression: `${place}.div`,
          text: `The narrative links to "#${target.slice(0, 80)}", which is neither an anchor nor an id here.`,
          rule: 'narrative-anchor',
        });
  });
};

/** Objects of the resource, without those of resources within it. */
export function eachOwn(
  resource: JsonObject,
  path: string,
  visit: (object: JsonObject, path: string, name: string) => void,
): void {
  const { contained: _contained, ...own } = resource;
  const isHolder = resource['resourceType'] === 'Bundle' || resource['resourceType'] === 'Parameters';
  eachObject(own, path, (object, place, name) => {
    if (!isHolder || !/\.(?:resource|outcome)(?:\.|$)/.test(place.slice(path.length)))
      visit(object, place, name);
  });
}

const anchors = new WeakMap<JsonObject, ReadonlySet<string>>();

/** Ids and names in narratives, ids of elements and of contained resources; made once, because each link asks. */
function anchorsOf(resource: JsonObject): ReadonlySet<string> {
  let known = anchors.get(resource);
  if (known === undefined) {
    const found = new Set<string>();
    eachObject(resource, '', object => {
      const { id, div } = object;
      if (typeof id === 'string') found.add(id);
      if (typeof div === 'string')
        for (const [, name] of div.matchAll(/\s(?:id|name)\s*=\s*["']([^"']*)["']/g)) found.add(name!);
    });
    known = found;
    anchors.set(resource, known);
  }
  return known;
}

const hasAnchor = (target: string, resources: readonly JsonObject[]): boolean =>
  resources.some(resource => anchorsOf(resource).has(target));

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
    for (const [, target = ''] of div.matchAll(/<a\s[^>]*?href\s*=\s*["']#([^"']+)["']/g))
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

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** An id or name in a narrative, or the id of an element or a contained resource. */
function hasAnchor(target: string, resources: readonly JsonObject[]): boolean {
  const anchor = new RegExp(`\\s(?:id|name)\\s*=\\s*["']${escaped(target)}["']`);
  return resources.some(resource => {
    let found = false;
    eachObject(resource, '', object => {
      const div = object['div'];
      found ||= object['id'] === target || (typeof div === 'string' && anchor.test(div));
    });
    return found;
  });
}

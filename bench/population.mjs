// A population of any size from the bundles at hand: copies of their resources with ids, identifiers and family names of
// their own, so that what finds one person among a thousand finds one among a hundred thousand too.
import { resourcesOf } from './material.mjs';

/** Stands where a copy's number goes; JSON writes it as an escape that nothing else holds. */
const mark = '\u0000';
const split = '\\u0000';

export const suffixOf = copy => (copy === 0 ? '' : `-${copy}`);

/** Marks ids, references, identifiers and family names. */
function marked(value, keys) {
  if (Array.isArray(value)) return value.map(one => marked(one, keys));
  if (value === null || typeof value !== 'object') return value;
  const made = {};
  for (const [name, one] of Object.entries(value)) {
    if (name === 'reference' && keys.has(one)) made[name] = one + mark;
    else if (name === 'identifier' && Array.isArray(one))
      made[name] = one.map(each => ({ ...each, value: `${each.value}${mark}` }));
    else if (name === 'family') made[name] = one.replace(/\d*$/, digits => mark + digits);
    else made[name] = marked(one, keys);
  }
  return made;
}

/** @returns the resources of a copy, as `{ type, id, text }`, for any number of copies. */
export function population(bundles) {
  const resources = resourcesOf(bundles);
  const keys = new Set(resources.map(({ resourceType, id }) => `${resourceType}/${id}`));
  const templates = resources.map(resource => ({
    type: resource.resourceType,
    id: resource.id,
    parts: JSON.stringify({ ...marked(resource, keys), id: resource.id + mark }).split(split),
  }));
  return {
    resources,
    size: resources.length,
    copy: number => {
      const suffix = suffixOf(number);
      return templates.map(({ type, id, parts }) => ({ type, id: id + suffix, text: parts.join(suffix) }));
    },
  };
}

/** Transactions of at most `size` PUTs. */
export function* transactions(copy, size = 400) {
  for (let i = 0; i < copy.length; i += size) {
    const entries = copy
      .slice(i, i + size)
      .map(({ type, id, text }) => `{"resource":${text},"request":{"method":"PUT","url":"${type}/${id}"}}`);
    yield Buffer.from(`{"resourceType":"Bundle","type":"transaction","entry":[${entries.join()}]}`);
  }
}

// The codes of a value set, for searches by them. https://hl7.org/fhir/R4/valueset.html#compositions
// Whatever is not certain makes the whole set unknown: a search that guessed would answer wrongly in silence.
import { coreCatalog, type Catalog } from './catalog.js';
import { listed, NotExpandable } from './expand.js';
import { valueSetOf } from './membership.js';

/** Codes by their system. */
export type Members = ReadonlyMap<string, readonly string[]>;

/** Sets with more are of no use to a search, and are listed no further. */
export const mostMembers = 100_000;

/**
 * The members of a value set by its `url`, `url|version` or, on this server, `ValueSet/id`; `unknown` where there is no
 * such set or it cannot be listed, `many` beyond `mostMembers`. @throws NotLoaded
 */
export function members(canonical: string, catalog: Catalog = coreCatalog): Members | 'unknown' | 'many' {
  const key = `members ${canonical}`;
  const known = catalog.memory.get(key);
  if (known !== undefined) return known as Members;
  const [, id] = /^ValueSet\/([A-Za-z0-9\-.]{1,64})$/.exec(canonical) ?? [];
  const set = id === undefined ? valueSetOf(catalog, canonical) : catalog.valueSetWithId(id);
  if (set === undefined) return 'unknown';
  const found = new Map<string, string[]>();
  let count = 0;
  try {
    for (const { system, code } of listed(set, { catalog })) {
      if (++count > mostMembers) return 'many';
      const codes = found.get(system);
      if (codes === undefined) found.set(system, [code]);
      else codes.push(code);
    }
  } catch (error) {
    if (error instanceof NotExpandable) return 'unknown';
    throw error;
  }
  catalog.memory.set(key, found);
  return found;
}

// What is above and below a code of a complete code system. https://hl7.org/fhir/R4/codesystem.html#hierarchy
// A concept may have several parents: one by nesting, others by the properties `child`, `parent` and `subsumedBy`.
import { coreCatalog, type Catalog } from './catalog.js';
import { placeOf } from './code-system.js';
import { reach } from './concepts.js';

/**
 * The code and all that it subsumes (`below`) or that subsume it (`above`). Empty where the system has no such code;
 * `unknown` where not all concepts of the system are here. @throws NotLoaded
 */
export function relatives(
  system: string,
  code: string,
  direction: 'above' | 'below',
  catalog: Catalog = coreCatalog,
): readonly string[] | 'unknown' {
  const known = catalog.codeSystem(system);
  if (known?.content !== 'complete') return 'unknown';
  const place = placeOf(known, code);
  if (place === undefined) return [];
  const { concepts } = known;
  const found: string[] = [];
  reach(concepts.size, place.ordinal, concepts[direction]).forEach((is, ordinal) => {
    if (is === 1) found.push(concepts.code(ordinal));
  });
  return found;
}

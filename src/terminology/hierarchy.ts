// What subsumes what in a complete code system. https://hl7.org/fhir/R4/codesystem.html#hierarchy
// A concept may have several parents: one by nesting, others by the properties `child`, `parent` and `subsumedBy`.
import { codeSystem, type CodeSystemConcept } from '../fhir/definitions.js';

/** The concepts of a code system, each with those directly below and above it. */
export interface Hierarchy {
  /** Of the definition; '' where it has none. */
  readonly version: string;
  readonly below: ReadonlyMap<string, ReadonlySet<string>>;
  readonly above: ReadonlyMap<string, ReadonlySet<string>>;
}

const known = new Map<string, Hierarchy | 'unknown'>();
/** More than R4's larger systems; those longest unused are forgotten. */
const kept = 100;

/** `unknown` where this server does not have all concepts of the system. */
export function hierarchyOf(system: string): Hierarchy | 'unknown' {
  let found = known.get(system);
  if (found === undefined) {
    const definition = codeSystem(system);
    if (definition?.content !== 'complete' || definition.url !== system) return 'unknown';
    found = build(definition.concept ?? [], definition.version ?? '', definition.hierarchyMeaning);
  }
  known.delete(system);
  known.set(system, found);
  if (known.size > kept) known.delete(known.keys().next().value!);
  return found;
}

function build(
  concepts: readonly CodeSystemConcept[],
  version: string,
  meaning: string | undefined,
): Hierarchy {
  const below = new Map<string, Set<string>>();
  const above = new Map<string, Set<string>>();
  const links: (readonly [parent: string, child: string])[] = [];
  // Nesting that groups or composes says nothing of subsumption; where nothing is said, it is meant.
  const isSubsumption = meaning === undefined || meaning === 'is-a';
  const visit = (concept: CodeSystemConcept, parent: string | undefined): void => {
    const { code } = concept;
    if (!below.has(code)) {
      below.set(code, new Set());
      above.set(code, new Set());
    }
    if (parent !== undefined && isSubsumption) links.push([parent, code]);
    for (const { code: property, valueCode: value } of concept.property ?? []) {
      if (typeof value !== 'string') continue;
      if (property === 'child') links.push([code, value]);
      if (property === 'parent' || property === 'subsumedBy') links.push([value, code]);
    }
    for (const child of concept.concept ?? []) visit(child, code);
  };
  for (const concept of concepts) visit(concept, undefined);
  for (const [parent, child] of links) {
    below.get(parent)?.add(child);
    above.get(child)?.add(parent);
  }
  return { version, below, above };
}

/** The code and all it leads to, in one direction. Empty where the system has no such code. */
export function closure(code: string, of: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const found = new Set<string>();
  if (!of.has(code)) return found;
  found.add(code);
  for (const one of found) for (const next of of.get(one) ?? []) if (of.has(next)) found.add(next);
  return found;
}

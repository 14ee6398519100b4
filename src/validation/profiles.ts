// Profiles by canonical: their trees, compiled once and kept by url and version. https://hl7.org/fhir/R4/profiling.html
import { structureDefinition } from '../fhir/definitions.js';
import { applyDifferential } from './differential.js';
import { share, treeOf as snapshotTree, type ElementNode } from './element-tree.js';
import { soundStructure, type FindStructure, type Structure } from './structure.js';
import { childrenOf, typeTree } from './types.js';

export interface Profile {
  readonly url: string;
  /** The type it constrains: `Patient`, `Extension`. */
  readonly type: string;
  readonly structure: Structure;
  readonly root: ElementNode;
  /** Why parts of its differential could not be used. */
  readonly problems: readonly string[];
}

export interface Profiles {
  /** By `url` or `url|version`; R4's own types and profiles are always known. */
  readonly get: (canonical: string) => Profile | undefined;
  /** The StructureDefinition alone. */
  readonly structure: (canonical: string) => Structure | undefined;
}

/** Steps of a path; R4's own have eight. */
const deepest = 100;
/** More than any server's packages hold; when there are so many, all are compiled anew. */
const kept = 5000;

const sound = (found: Structure | undefined): Structure | undefined => found && soundStructure(found);

export function createProfiles(find: FindStructure): Profiles {
  const compiled = new Map<string, Profile | undefined>();
  const building = new Set<string>();

  const structure = (canonical: string): Structure | undefined => {
    // R4's own definitions come first: nobody changes what a Patient is by storing another.
    const [url = '', version] = canonical.split('|', 2);
    const core = url.includes(':') ? structureDefinition(url) : undefined;
    return core && (version === undefined || version.startsWith('4.0')) ? core : sound(find(canonical));
  };

  const get = (canonical: string): Profile | undefined => {
    if (compiled.has(canonical)) return compiled.get(canonical);
    const found = structure(canonical);
    if (!found || building.has(found.url)) return undefined;
    building.add(found.url);
    try {
      const profile = compile(found);
      if (compiled.size >= kept) compiled.clear();
      compiled.set(canonical, profile);
      return profile;
    } finally {
      building.delete(found.url);
    }
  };
  const treeOf = (canonical: string): ElementNode | undefined => get(canonical)?.root;

  function compile(found: Structure): Profile | undefined {
    const elements = [...(found.snapshot?.element ?? []), ...(found.differential?.element ?? [])];
    if (elements.some(({ path }) => path.split('.').length > deepest)) return undefined;
    const { url, type } = found;
    const typed = typeTree(type);
    // Some call a profile a specialization; only R4 itself makes types.
    if (url === typed?.profile) return typed && { url, type, structure: found, root: typed, problems: [] };
    const snapshot = found.snapshot?.element ?? [];
    if (snapshot.length > 0) {
      const root = snapshotTree(snapshot, url, false);
      if (!root) return undefined;
      const shared = share(root, typed, (node, code) => childrenOf(node, code));
      return { url, type, structure: found, root: shared, problems: [] };
    }
    const base = found.baseDefinition === undefined ? undefined : treeOf(found.baseDefinition);
    if (!base) return undefined;
    return {
      url,
      type,
      structure: found,
      ...applyDifferential(base, found.differential?.element ?? [], url, treeOf),
    };
  }

  return { get, structure };
}

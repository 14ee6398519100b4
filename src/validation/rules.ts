// The rules that judge whole resources by what no StructureDefinition can say, by type. README.md in rules/.
import type { ResourceRule } from './finding.js';

/** Rules for a resource of the type, wherever it stands: by itself, contained, in an entry. */
export const rulesFor = (_type: string): readonly ResourceRule[] => [];

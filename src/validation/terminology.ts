// What the walker asks of terminology, remembered: the same few codes come again and again.
// https://hl7.org/fhir/R4/terminology-module.html
// Each answer may be `unknown`, which is told as a warning and never fails a resource.
import type { Catalog } from '../terminology/catalog.js';
import type { Membership } from '../terminology/grammar.js';
import { isMember, valueSetOf } from '../terminology/membership.js';
import { judgeCode, type CodeIssue } from '../terminology/validate-code.js';

export interface Terminology {
  /** Whether the value set has the code; without a system, in any of its systems. @throws NotLoaded */
  readonly holds: (
    valueSet: string,
    system: string | undefined,
    code: string,
    version?: string,
  ) => Membership;
  /** What is wrong with a coding by itself. @throws NotLoaded */
  readonly issuesOf: (
    system: string,
    code: string,
    version: string | undefined,
    display: string | undefined,
  ) => readonly CodeIssue[];
}

/** Answers kept of each kind; when there are so many, all are forgotten. */
const kept = 20_000;

export function terminologyOf(catalog: Catalog): Terminology {
  return {
    holds(valueSet, system, code, version) {
      const key = `${valueSet}\n${system ?? ''}\n${code}\n${version ?? ''}`;
      return remembered<Membership>(catalog, 'validation-members', key, () => {
        const set = valueSetOf(catalog, valueSet);
        return set === undefined ? 'unknown' : isMember(catalog, set, { system, code, version }).is;
      });
    },
    issuesOf(system, code, version, display) {
      const key = `${system}\n${code}\n${version ?? ''}\n${display ?? ''}`;
      return remembered<readonly CodeIssue[]>(
        catalog,
        'validation-codes',
        key,
        () => judgeCode({ system, code, version, display }, undefined, { catalog }).issues,
      );
    },
  };
}

function remembered<T>({ memory }: Catalog, kind: string, key: string, ask: () => T): T {
  let answers = memory.get(kind) as Map<string, T> | undefined;
  if (answers === undefined) {
    answers = new Map();
    memory.set(kind, answers);
  }
  const known = answers.get(key);
  if (known !== undefined) return known;
  const found = ask();
  if (answers.size >= kept) answers.clear();
  answers.set(key, found);
  return found;
}

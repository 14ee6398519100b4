// Judges codes: for $validate-code and for the validation of resources.
// https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
// Surprising why: unknown is an answer. A server that calls what it cannot know an error refuses good records, and one
// that calls it good lets bad ones through in silence.
import type { ValueSetDefinition } from '../fhir/definitions.js';
import { coreCatalog, NotLoaded, type Catalog } from './catalog.js';
import { designationsAt, displayAt, type Place } from './code-system.js';
import type { Membership } from './grammar.js';
import { isMember, locate, valueSetOf, type Coded, type Located } from './membership.js';

export interface AskedCode extends Coded {
  readonly display?: string | undefined;
}

/** A Coding as it came: it may lack its code. */
export type GivenCoding = Omit<AskedCode, 'code'> & { readonly code?: string | undefined };

export interface CodeIssue {
  readonly severity: 'error' | 'warning' | 'information';
  /** What is the matter, for those who weigh it otherwise. */
  readonly kind:
    | 'unknown-code' // its code system does not have it
    | 'not-in-value-set'
    | 'unknown-system' // the code system, or enough of it, is not here
    | 'unknown-value-set' // or a part of it that matters
    | 'wrong-display'
    | 'other-case'
    | 'abstract'
    | 'inactive'
    | 'no-system'
    | 'relative-system'
    | 'value-set-as-system'
    | 'supplement-as-system'
    | 'no-code';
  /** Which coding of a CodeableConcept. */
  readonly index?: number;
  readonly text: string;
}

export interface JudgedCode {
  /** Of the value set where one was asked for, else of the code system. */
  readonly result: Membership;
  /** Everything that is wrong or not known, in one text; absent where there is nothing. */
  readonly message?: string;
  /** The right display. */
  readonly display?: string;
  readonly issues: readonly CodeIssue[];
  /** Reads what is known here and was not in memory; then ask again. Only with result `unknown`. */
  readonly load?: () => Promise<void>;
}

export interface CodeOptions {
  /** What is known; R4's own definitions where absent. */
  readonly catalog?: Catalog;
  /** Languages the display may be in, lower-case, the first to be answered. */
  readonly languages?: readonly string[];
  /** Whether concepts that only group others are right here; where it is not said, they are with a warning. */
  readonly abstract?: boolean;
}

/**
 * Judges a code of a system, or of any system of the value set where it has none. Never throws: what has to be read
 * first is unknown with `load`.
 */
export function validateCode(
  asked: AskedCode,
  valueSet: string | ValueSetDefinition | undefined,
  options: CodeOptions = {},
): JudgedCode {
  return attempt(() => judgeCode(asked, valueSet, options));
}

/** Judges several codings for one concept: one of them in the value set is enough, and each must be right by itself. */
export function validateConcept(
  codings: readonly GivenCoding[],
  valueSet: string | ValueSetDefinition | undefined,
  options: CodeOptions = {},
): JudgedCode {
  return attempt(() => judgeConcept(codings, valueSet, options));
}

function attempt(judge: () => JudgedCode): JudgedCode {
  try {
    return judge();
  } catch (error) {
    if (!(error instanceof NotLoaded)) throw error;
    return { result: 'unknown', issues: [], load: error.load };
  }
}

const shown = ({ system, code, version }: Omit<GivenCoding, 'display'>): string => {
  const of = system === undefined ? '' : `${system}${version === undefined ? '' : `|${version}`}#`;
  const text = `${of}${code ?? ''}`;
  return `"${text.length > 200 ? `${text.slice(0, 200)}…` : text}"`;
};

/** @throws NotLoaded */
export function judgeCode(
  asked: AskedCode,
  valueSet: string | ValueSetDefinition | undefined,
  { catalog = coreCatalog, languages = [], abstract }: CodeOptions = {},
): JudgedCode {
  const issues: CodeIssue[] = [];
  let result: Membership = true;
  let { system } = asked;
  let shownInSet: string | undefined;

  if (valueSet !== undefined) {
    const set = typeof valueSet === 'string' ? valueSetOf(catalog, valueSet) : valueSet;
    const name = typeof valueSet === 'string' ? valueSet : (valueSet.url ?? 'given');
    if (set === undefined) {
      result = 'unknown';
      issues.push({ severity: 'warning', kind: 'unknown-value-set', text: `The value set ${name} is not known here.` }); // prettier-ignore
    } else {
      const held = isMember(catalog, set, asked);
      result = held.is;
      system ??= held.system;
      shownInSet = held.display;
      if (result === false)
        issues.push({ severity: 'error', kind: 'not-in-value-set', text: `${shown(asked)} is not in the value set ${name}.` }); // prettier-ignore
      if (result === 'unknown')
        issues.push({
          severity: 'warning',
          kind: 'unknown-value-set',
          text: `Whether ${shown(asked)} is in the value set ${name} cannot be known: ${held.why ?? ''}.`,
        });
    }
  }

  if (system === undefined) {
    if (valueSet === undefined) {
      result = 'unknown';
      issues.push({ severity: 'warning', kind: 'no-system', text: `The code ${shown(asked)} has no system, so it has no meaning here.` }); // prettier-ignore
    }
    return judged(result, issues, undefined);
  }
  const wrong = wrongSystem(catalog, system);
  if (wrong !== undefined) {
    issues.push(wrong);
    return judged(result === 'unknown' || valueSet === undefined ? false : result, issues, undefined);
  }
  const found = locate(catalog, system, asked.code, asked.version);
  if (found.is === false) {
    issues.push({ severity: 'error', kind: 'unknown-code', text: `The code system ${system} has no code ${shown({ code: asked.code })}.` }); // prettier-ignore
    result = false;
  } else if (found.is === 'unknown') {
    if (valueSet === undefined) result = 'unknown';
    if (result !== false && !issues.some(issue => issue.kind === 'unknown-value-set'))
      issues.push({
        severity: 'warning',
        kind: 'unknown-system',
        text: `Whether ${shown({ ...asked, system })} is a code cannot be known: ${found.why ?? ''}.`,
      });
  }
  result = weigh(found, asked, abstract, result, issues);
  const right = found.place === undefined ? found.display : displayAt(found.place, languages);
  const display = right ?? shownInSet;
  checkDisplay(asked, found.place, [display, shownInSet], issues);
  return judged(result, issues, display);
}

/** How the code is written, and whether it is one to be used. */
function weigh(
  { place, isOtherCase }: Located,
  asked: AskedCode,
  abstract: boolean | undefined,
  result: Membership,
  issues: CodeIssue[],
): Membership {
  if (place === undefined) return result;
  const { concepts } = place.system;
  if (isOtherCase)
    issues.push({ severity: 'warning', kind: 'other-case', text: `The code ${shown({ code: asked.code })} is written "${concepts.code(place.ordinal)}".` }); // prettier-ignore
  if (concepts.isInactive(place.ordinal))
    issues.push({ severity: 'warning', kind: 'inactive', text: `The code ${shown(asked)} is not in use any more.` }); // prettier-ignore
  if (!concepts.isAbstract(place.ordinal) || abstract === true) return result;
  const isError = abstract === false;
  issues.push({ severity: isError ? 'error' : 'warning', kind: 'abstract', text: `The code ${shown(asked)} groups others and is not to be used itself.` }); // prettier-ignore
  return isError ? false : result;
}

/** A system that cannot be one. */
function wrongSystem(catalog: Catalog, system: string): CodeIssue | undefined {
  const name = system.slice(0, 200);
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:/.test(system))
    return { severity: 'error', kind: 'relative-system', text: `The system "${name}" is not absolute: it must be a URI with a scheme.` }; // prettier-ignore
  const known = catalog.codeSystem(system);
  if (known?.content === 'supplement')
    return { severity: 'error', kind: 'supplement-as-system', text: `The system ${name} is a supplement; its codes are of the system it supplements.` }; // prettier-ignore
  if (known === undefined && catalog.valueSet(system) !== undefined)
    return { severity: 'error', kind: 'value-set-as-system', text: `The system ${name} is a value set; the system of a code is a code system.` }; // prettier-ignore
  return undefined;
}

const plain = (text: string): string => text.trim().replace(/\s+/g, ' ').toLowerCase();

function checkDisplay(
  { display, code }: AskedCode,
  place: Place | undefined,
  right: readonly (string | undefined)[],
  issues: CodeIssue[],
): void {
  if (display === undefined) return;
  const wanted = plain(display);
  const known = right.filter(one => one !== undefined);
  if (known.some(one => plain(one) === wanted)) return;
  if (place !== undefined) {
    const own = place.system.concepts.display(place.ordinal);
    if (own !== undefined) known.push(own);
    known.push(...designationsAt(place).map(one => one.value));
    if (known.some(one => plain(one) === wanted)) return;
  }
  if (known.length === 0) return;
  const list = [...new Set(known)].slice(0, 5).map(one => `"${one}"`);
  issues.push({
    severity: 'warning',
    kind: 'wrong-display',
    text: `The display "${display.slice(0, 200)}" of the code ${shown({ code })} is not right; it is ${list.join(' or ')}.`,
  });
}

function judged(result: Membership, issues: readonly CodeIssue[], display: string | undefined): JudgedCode {
  return {
    result,
    issues,
    ...(issues.length === 0 ? {} : { message: issues.map(issue => issue.text).join(' ') }),
    ...(display === undefined ? {} : { display }),
  };
}

/** @throws NotLoaded */
export function judgeConcept(
  codings: readonly GivenCoding[],
  valueSet: string | ValueSetDefinition | undefined,
  options: CodeOptions = {},
): JudgedCode {
  const given = codings.flatMap((coding, index) =>
    coding.code === undefined ? [] : [{ index, asked: { ...coding, code: coding.code } }],
  );
  if (given.length === 0) {
    const issue: CodeIssue = { severity: 'error', kind: 'no-code', text: 'There is no code, only text.' };
    return judged(false, [issue], undefined);
  }
  const each = given.map(({ index, asked }) => ({
    index,
    // A coding without a system is of no value set.
    ...judgeCode(asked, asked.system === undefined ? undefined : valueSet, options),
    hasSystem: asked.system !== undefined,
  }));
  const issues = (kept: (issue: CodeIssue) => boolean): CodeIssue[] =>
    each.flatMap(one => one.issues.filter(kept).map(issue => ({ ...issue, index: one.index })));
  const isBad = each.some(one => one.issues.some(isWrongInItself));
  const best = each.find(one => one.result === true && one.hasSystem);
  const mayBe = each.some(one => one.result === 'unknown' && (one.hasSystem || valueSet === undefined));
  const membership: Membership = best !== undefined ? true : mayBe ? 'unknown' : false;
  // That some codings are outside of the set does not matter once one is in it.
  const kept = issues(
    issue => !(membership === true && (issue.kind === 'not-in-value-set' || issue.kind === 'unknown-value-set')), // prettier-ignore
  );
  if (membership === false && valueSet !== undefined && !kept.some(issue => issue.severity === 'error')) {
    const all = given.map(({ asked }) => shown(asked)).join(', ');
    kept.push({ severity: 'error', kind: 'not-in-value-set', text: `None of ${all} is in the value set.` });
  }
  return judged(isBad ? false : membership, kept, (best ?? each[0])?.display);
}

const isWrongInItself = ({ severity, kind }: CodeIssue): boolean =>
  severity === 'error' && kind !== 'not-in-value-set';

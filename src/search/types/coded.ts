// Token values that stand for many codes: value sets (`:in`) and what lies above or below a code.
// https://hl7.org/fhir/R4/search.html#token, #modifiers
import { FhirError } from '../../errors.js';
import { valueSet } from '../../fhir/definitions.js';
import { relatives } from '../../terminology/hierarchy.js';
import { members, mostMembers } from '../../terminology/members.js';
import type { Condition } from '../plan.js';
import {
  equal,
  quoted,
  refuse,
  split,
  unescape,
  type Alternatives,
  type Asked,
  type ParseSettings,
} from './search-type.js';

/** Codes in one question; more would make a search slow without telling why. */
export const maxCodes = 5000;

/** The systems that a value set's codes are of. */
export function systemsOf(url: string): readonly string[] {
  return (valueSet(url)?.compose?.include ?? []).flatMap(({ system, valueSet: others = [] }) => [
    ...(system === undefined ? [] : [system]),
    ...others.flatMap(systemsOf),
  ]);
}

/** What these questions are asked with: where this server is, and what is known of codes. */
type Asking = Pick<ParseSettings, 'bases' | 'catalog'>;

/** Conditions for the codes of a value set, given by canonical url, `url|version` or `ValueSet/id`. @throws NotLoaded */
export function inValueSet(value: string, asked: Asked, { bases, catalog }: Asking): Alternatives {
  mustBeCoded('in', value, asked);
  const given = unescape(value);
  const below = bases.find(base => given.startsWith(`${base}/ValueSet/`));
  const found = members(below === undefined ? given : given.slice(below.length + 1), catalog);
  if (found === 'unknown') {
    throw new FhirError(
      'invalid-search',
      `${quoted(asked.name)}: the codes of the value set ${quoted(given)} are not known here. Value sets of FHIR R4 are, and those stored on this server, where they can be listed.`,
    );
  }
  if (found === 'many') throw tooMany(asked, `more than ${mostMembers}`);
  return oneOfCodes(found, asked);
}

/** Conditions for a code and all that subsume it (`above`) or that it subsumes (`below`). @throws NotLoaded */
export function related(
  direction: 'above' | 'below',
  value: string,
  asked: Asked,
  { catalog }: Asking,
): Alternatives {
  mustBeCoded(direction, value, asked);
  const pieces = split(value, '|').map(unescape);
  const code = pieces.at(-1)!;
  const systems =
    pieces.length > 1 ? [pieces.slice(0, -1).join('|')] : [...new Set(asked.bindings.flatMap(systemsOf))];
  if (code === '' || systems.length === 0 || systems.includes(''))
    return refuse(asked, value, `:${direction} needs system|code`);
  const bySystem = new Map<string, readonly string[]>();
  for (const system of systems) {
    const codes = relatives(system, code, direction, catalog);
    if (codes === 'unknown') {
      throw new FhirError(
        'invalid-search',
        `${quoted(asked.name)}: the hierarchy of the code system ${quoted(system)} is not known here. Complete code systems of FHIR R4 are, and those stored or loaded on this server.`,
      );
    }
    if (codes.length > 0) bySystem.set(system, codes);
  }
  if (bySystem.size === 0)
    return refuse(asked, value, `${quoted(systems.join(', '))} has no code ${quoted(code)}`);
  return oneOfCodes(bySystem, asked);
}

const tooMany = (asked: Asked, count: string): FhirError =>
  new FhirError(
    'too-costly-search',
    `${quoted(asked.name)} asks for ${count} codes; at most ${maxCodes} are looked for at once.`,
  );

const coded = ['code', 'Coding', 'CodeableConcept'];

function mustBeCoded(modifier: string, value: string, asked: Asked): void {
  if (asked.elementTypes.size > 0 && !coded.some(type => asked.elementTypes.has(type)))
    refuse(asked, value, `:${modifier} is for codes`);
}

/** An element of type code has no system in its row: its binding implies it. */
function oneOfCodes(bySystem: ReadonlyMap<string, readonly string[]>, asked: Asked): Alternatives {
  let total = 0;
  for (const codes of bySystem.values()) total += codes.length;
  if (total > maxCodes) throw tooMany(asked, String(total));
  const implied = asked.elementTypes.has('code') ? new Set(asked.bindings.flatMap(systemsOf)) : new Set();
  const isImpliedOnly = asked.elementTypes.size === 1 && asked.elementTypes.has('code');
  const found: (readonly Condition[])[] = [];
  for (const [system, values] of bySystem) {
    const isOne: Condition = { column: 'code', is: 'in', values };
    if (!isImpliedOnly) found.push([equal('system', system), isOne]);
    if (implied.has(system)) found.push([equal('system', ''), isOne]);
  }
  return found;
}

// Token parameters: codes, identifiers, flags. https://hl7.org/fhir/R4/search.html#token
// Surprising: always case-sensitive, although the specification leaves it to the code system. A conditional create
// finds "the same" resource by token, and must never take `abc` for `ABC`.
import { isObject, type Json, type JsonObject } from '../../fhir/json.js';
import type { Condition, Node } from '../plan.js';
import { inValueSet, related, systemsOf } from './coded.js';
import { addText, textStarts } from './text.js';
import {
  anyOf,
  equal,
  leaf,
  refuse,
  split,
  textIs,
  unescape,
  type Alternatives,
  type Asked,
  type Indexer,
  type SearchType,
  type Sink,
} from './search-type.js';

const text = (of: JsonObject, name: string): string => {
  const value = of[name];
  return typeof value === 'string' ? value : '';
};

const primitive: Indexer = (value, sink) => {
  if (typeof value === 'string' && value !== '') sink.add({ kind: 'token', system: '', code: value });
  else if (typeof value === 'number') sink.add({ kind: 'token', system: '', code: String(value) });
};

const boolean: Indexer = (value, sink) => {
  if (typeof value === 'boolean') sink.add({ kind: 'token', system: '', code: value ? 'true' : 'false' });
};

/** Adds a row unless both are empty; tells whether it did. */
function addPair(sink: Sink, system: string, code: string): boolean {
  if (system === '' && code === '') return false;
  sink.add({ kind: 'token', system, code });
  return true;
}

const coding: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  if (!addPair(sink, text(value, 'system'), text(value, 'code'))) sink.present();
  addText(value['display'], sink);
};

const codings = (concept: Json | undefined): readonly Json[] =>
  isObject(concept) && Array.isArray(concept['coding']) ? concept['coding'] : [];

const codeableConcept: Indexer = (value, sink) => {
  let found = false;
  for (const one of codings(value)) {
    if (!isObject(one)) continue;
    if (addPair(sink, text(one, 'system'), text(one, 'code'))) found = true;
    addText(one['display'], sink);
  }
  if (isObject(value)) addText(value['text'], sink);
  if (!found) sink.present();
};

const identifier: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  const code = text(value, 'value');
  if (!addPair(sink, text(value, 'system'), code)) sink.present();
  const { type: kind } = value;
  if (isObject(kind)) addText(kind['text'], sink);
  if (code === '') return;
  for (const type of codings(kind)) {
    if (isObject(type) && text(type, 'code') !== '') {
      sink.addTo('of-type', { kind: 'token', system: `${text(type, 'system')}|${text(type, 'code')}`, code });
    }
  }
};

/** `phone|+27115550100`: the system is the kind of contact. */
const contactPoint: Indexer = (value, sink) => {
  if (isObject(value) && !addPair(sink, text(value, 'system'), text(value, 'value'))) sink.present();
};

/** `code`, `system|code`, `|code` (no system) or `system|`. */
export function tokenConditions(value: string): readonly Condition[] | undefined {
  const pieces = split(value, '|').map(unescape);
  if (pieces.length === 1) return pieces[0] === '' ? undefined : [equal('code', pieces[0]!)];
  const [system = '', code = ''] = pieces;
  if (pieces.length > 2 || (system === '' && code === '')) return undefined;
  return code === '' ? [equal('system', system)] : [equal('system', system), equal('code', code)];
}

function alternatives(value: string, asked: Asked): Alternatives {
  const conditions = tokenConditions(value);
  if (conditions === undefined) return refuse(asked, value, `expected ${tokenType.form}`);
  const { elementTypes, bindings } = asked;
  if (elementTypes.size !== 1) return [conditions];
  if (elementTypes.has('boolean') && !/^\|?(true|false)$/.test(value))
    return refuse(asked, value, 'expected true or false');
  const [first, ...rest] = conditions;
  if (!elementTypes.has('code') || first?.is !== 'eq' || first.column !== 'system' || first.value === '')
    return [conditions];
  // The system of a code is implied by its definition, and not in the row.
  return bindings.flatMap(systemsOf).includes(first.value) ? [rest] : [];
}

export const tokenType: SearchType = {
  kind: 'token',
  index: {
    code: primitive,
    string: primitive,
    id: primitive,
    uri: primitive,
    url: primitive,
    oid: primitive,
    uuid: primitive,
    canonical: primitive,
    integer: primitive,
    positiveInt: primitive,
    unsignedInt: primitive,
    boolean,
    Coding: coding,
    CodeableConcept: codeableConcept,
    Identifier: identifier,
    ContactPoint: contactPoint,
  },
  modifiers: ['not', 'text', 'in', 'not-in', 'above', 'below', 'of-type'],
  form: 'code, system|code, |code or system|',
  comparisons: ['eq', 'co', 'sw', 'ew', 'ss', 'sb', 'in'],
  compared(comparison, value, asked, settings) {
    switch (comparison) {
      case 'co':
      case 'sw':
      case 'ew':
        return leaf('token', asked.param, [
          { column: 'code', is: textIs[comparison], value: unescape(value) },
        ]);
      case 'ss': // the value subsumes what is there: what is there lies below the value
        return anyOf('token', asked.param, related('below', value, asked, settings));
      case 'sb':
        return anyOf('token', asked.param, related('above', value, asked, settings));
      case 'in':
        return anyOf('token', asked.param, inValueSet(value, asked, settings));
      default:
        return anyOf('token', asked.param, tokenType.alternatives(value, asked, settings));
    }
  },
  alternatives,
  modified(modifier, value, asked, settings) {
    switch (modifier) {
      // `:not` and `:not-in` are the same questions; the criterion negates the answer for the whole list of values.
      case 'not':
        return anyOf('token', asked.param, tokenType.alternatives(value, asked, settings));
      case 'in':
      case 'not-in':
        return anyOf('token', asked.param, inValueSet(value, asked, settings));
      case 'above':
      case 'below':
        return anyOf('token', asked.param, related(modifier, value, asked, settings));
      case 'text':
        return textStarts(value, asked);
      default:
        return ofType(value, asked);
    }
  },
};

function ofType(value: string, asked: Asked): Node {
  const [system = '', code = '', identified = '', ...more] = split(value, '|').map(unescape);
  if (!asked.elementTypes.has('Identifier')) return refuse(asked, value, ':of-type is for identifiers');
  if (code === '' || identified === '' || more.length > 0)
    return refuse(asked, value, 'expected type system|type code|identifier value');
  return leaf('token', `${asked.param}:of-type`, [
    equal('system', `${system}|${code}`),
    equal('code', identified),
  ]);
}

/** For Reference.identifier, found by `:identifier` on reference parameters. */
export function addIdentifier(value: Json, sink: Sink): void {
  if (!isObject(value)) return;
  const [system, code] = [text(value, 'system'), text(value, 'value')];
  if (system !== '' || code !== '') sink.addTo('identifier', { kind: 'token', system, code });
}

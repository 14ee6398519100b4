// Reference parameters. https://hl7.org/fhir/R4/search.html#reference
// A target is `Type/id` here and an absolute URL elsewhere; what a reference leads to is judged from its text and type
// element, never by reading the target.
import { isObject, type Json } from '../../fhir/json.js';
import { idPattern } from '../../fhir/resource.js';
import { addText, textStarts } from './text.js';
import { addIdentifier, tokenConditions } from './token.js';
import {
  anyOf,
  equal,
  leaf,
  refuse,
  unescape,
  type Alternatives,
  type Asked,
  type Indexer,
  type SearchType,
} from './search-type.js';

const local = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const versioned = /\/_history\/[A-Za-z0-9\-.]{1,64}$/;
const endsInTypeAndId = /(?:^|\/)([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}$/;

/** The form of a literal reference that rows hold: `Type/id` for this server's own, else the URL, never a version. */
export function targetOf(reference: string, bases: readonly string[]): string {
  const own = local.exec(reference);
  if (own !== null)
    return own[0].length === own[1]!.length + own[2]!.length + 1 ? reference : `${own[1]}/${own[2]}`;
  if (reference.startsWith('urn:')) return reference;
  for (const base of bases) {
    if (
      reference.length > base.length &&
      reference.startsWith(base) &&
      reference.charCodeAt(base.length) === 47
    ) {
      const below = local.exec(reference.slice(base.length + 1));
      if (below !== null) return `${below[1]}/${below[2]}`;
    }
  }
  return reference.replace(versioned, '');
}

/** The type of resource a Reference leads to, as far as it says; undefined where it does not. */
export function typeOfTarget(reference: Json): string | undefined {
  if (!isObject(reference)) return undefined;
  const literal = reference['reference'];
  if (typeof literal === 'string') {
    const match = endsInTypeAndId.exec(literal.replace(versioned, ''));
    if (match !== null) return match[1];
  }
  const type = reference['type'];
  return typeof type === 'string' ? type.replace('http://hl7.org/fhir/StructureDefinition/', '') : undefined;
}

const reference: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  if (value['identifier'] !== undefined) addIdentifier(value['identifier'], sink);
  addText(value['display'], sink);
  const literal = value['reference'];
  if (typeof literal === 'string' && literal !== '' && !literal.startsWith('#')) {
    sink.add({ kind: 'reference', target: targetOf(literal, sink.settings.bases), version: '' });
  } else sink.present();
};

/** `url|version#fragment` in its parts; the fragment is no part of the identity. */
function canonicalParts(value: string): { url: string; version: string } {
  const [whole = ''] = value.split('#');
  const bar = whole.indexOf('|');
  return bar < 0 ? { url: whole, version: '' } : { url: whole.slice(0, bar), version: whole.slice(bar + 1) };
}

const canonical: Indexer = (value, sink) => {
  if (typeof value !== 'string' || value === '' || value.startsWith('#')) return;
  const { url, version } = canonicalParts(value);
  sink.add({ kind: 'reference', target: targetOf(url, sink.settings.bases), version });
};

/** Whether every value is a canonical or uri: such a parameter cannot be chained through. */
export const isCanonical = (elementTypes: ReadonlySet<string>): boolean =>
  elementTypes.size > 0 && !elementTypes.has('Reference');

/** None where the value leads to a type the parameter does not; a bare id may be of any of its types. */
function alternatives(
  value: string,
  asked: Asked,
  bases: readonly string[],
  types: readonly string[],
): Alternatives {
  const given = unescape(value);
  if (idPattern.test(given)) {
    const targets = types.map(one => `${one}/${given}`);
    return [
      [targets.length === 1 ? equal('target', targets[0]!) : { column: 'target', is: 'in', values: targets }],
    ];
  }
  const { url, version } = canonicalParts(given);
  const target = targetOf(url, bases);
  const isLocal = local.test(target);
  if (!isLocal && !/^[A-Za-z][A-Za-z0-9+.-]*:/.test(target))
    return refuse(asked, value, `expected ${referenceType.form}`);
  const type = isCanonical(asked.elementTypes) ? undefined : typeOfTarget({ reference: target });
  if (type !== undefined && !types.includes(type)) return [];
  return [[equal('target', target), ...(version === '' ? [] : [equal('version', version)])]];
}

export const referenceType: SearchType = {
  kind: 'reference',
  index: { Reference: reference, canonical, uri: canonical, url: canonical },
  modifiers: ['identifier', 'text', '[type]'],
  form: 'id, Type/id or an absolute URL',
  comparisons: ['eq', 're'],
  compared: (_comparison, value, asked, settings) =>
    anyOf('reference', asked.param, referenceType.alternatives(value, asked, settings)),
  alternatives: (value, asked, settings) => alternatives(value, asked, settings.bases, asked.targets),
  /** `modifier` is `identifier`, `text` or one of the target types. */
  modified(modifier, value, asked, settings) {
    if (modifier === 'text') return textStarts(value, asked);
    if (modifier !== 'identifier')
      return anyOf('reference', asked.param, alternatives(value, asked, settings.bases, [modifier]));
    const identified = tokenConditions(value);
    if (identified === undefined)
      return refuse(asked, value, 'expected system|value, value, |value or system|');
    return leaf('token', `${asked.param}:identifier`, identified);
  },
};

// Uri parameters: exact and case-sensitive, as RFC 3986 identifiers are. https://hl7.org/fhir/R4/search.html#uri
import { isObject } from '../../fhir/json.js';
import { equal, leaf, refuse, textIs, unescape, type Indexer, type SearchType } from './search-type.js';

const uri: Indexer = (value, sink) => {
  if (typeof value === 'string' && value !== '') sink.add({ kind: 'uri', value });
};

/** With its version and without, so that a query may name either. */
const canonical: Indexer = (value, sink) => {
  uri(value, sink);
  if (typeof value === 'string' && value.includes('|')) uri(value.slice(0, value.indexOf('|')), sink);
};

const reference: Indexer = (value, sink) => {
  if (isObject(value) && value['reference'] !== undefined) uri(value['reference'], sink);
};

/** The url itself and each of its parents, with and without the final slash. */
function parents(url: string): string[] {
  const found = [url];
  const start = url.indexOf('://') + 3;
  for (let slash = url.lastIndexOf('/'); slash >= start; slash = url.lastIndexOf('/', slash - 1)) {
    found.push(url.slice(0, slash + 1), url.slice(0, slash));
  }
  return [...new Set(found)];
}

export const uriType: SearchType = {
  kind: 'uri',
  index: { uri, url: uri, oid: uri, uuid: uri, canonical, id: uri, Reference: reference },
  modifiers: ['below', 'above'],
  form: 'a URI',
  comparisons: ['eq', 'co', 'sw', 'ew'],
  compared(comparison, value, asked) {
    const is = textIs[comparison as keyof typeof textIs] ?? 'eq';
    return leaf('uri', asked.param, [{ column: 'value', is, value: unescape(value) }]);
  },
  alternatives: value => [[equal('value', unescape(value))]],
  modified(modifier, value, asked) {
    const url = unescape(value);
    if (!/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(url)) {
      return refuse(
        asked,
        value,
        `:${modifier} needs a URL such as http://example.org/fhir; a URN has no hierarchy`,
      );
    }
    return leaf('uri', asked.param, [
      modifier === 'below'
        ? { column: 'value', is: 'prefix', value: url }
        : { column: 'value', is: 'in', values: parents(url) },
    ]);
  },
};

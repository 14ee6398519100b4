// Special parameters, of which R4 has one with an expression: `near`, places within a distance.
// https://hl7.org/fhir/R4/location.html#positional
// Whatever element has a latitude and a longitude makes a row of each. They are asked for separately, so only an element
// that occurs once may have them; all of R4's do.
import { isNumber, isObject } from '../../fhir/json.js';
import { canonicalUnit } from '../../fhir/ucum.js';
import { bandsOf, type Band } from '../disc.js';
import { all, and, or, type Node } from '../plan.js';
import { leaf, refuse, split, unescape, type Asked, type Indexer, type SearchType } from './search-type.js';

const position: Indexer = (value, sink) => {
  if (!isObject(value)) return;
  sink.present();
  const { latitude, longitude } = value;
  if (!isNumber(latitude) || !isNumber(longitude) || Math.abs(Number(latitude)) > 90) return;
  const [north, east] = [Number(latitude), eastOf(Number(longitude))];
  sink.addTo('latitude', { kind: 'number', lo: north, hi: north, system: '', code: '' });
  sink.addTo('longitude', { kind: 'number', lo: east, hi: east, system: '', code: '' });
};

/** A longitude between -180 and 180. */
const eastOf = (longitude: number): number =>
  Math.abs(longitude) <= 180 ? longitude : longitude - 360 * Math.round(longitude / 360);

const kilometre = 1_000;
/** Where a search names no distance. */
const defaultDistance = 10 * kilometre;

const decimal = /^[+-]?\d{1,9}(?:\.\d+)?$/;

export const specialType: SearchType = {
  kind: 'number',
  index: { BackboneElement: position },
  modifiers: [],
  alternatives: (value, asked) => refuse(asked, value, 'a place cannot be part of a composite'),
  form: 'latitude|longitude, latitude|longitude|distance or latitude|longitude|distance|unit with a unit of length in UCUM such as km, m or [mi_i]',
  comparisons: ['eq'],
  node(value, asked): Node {
    const { middle, metres } = placeAndDistance(value, asked);
    return inAny(bandsOf(middle, metres), asked.param);
  },
};

/** So many bands are asked for behind a box around them, which saves most of the asking. */
const together = 9;

function inAny(bands: readonly Band[], param: string): Node {
  const chunks: Node[] = [];
  for (let i = 0; i < bands.length; i += together) {
    const chunk = bands.slice(i, i + together);
    chunks.push(and(inBox(chunk, param), or(...chunk.map(band => inBand(band, param)))));
  }
  return bands.length === 1 ? inBand(bands[0]!, param) : and(inBox(bands, param), or(...chunks));
}

const inBand = ({ latitude, longitudes }: Band, param: string): Node =>
  and(
    within(`${param}:latitude`, latitude),
    longitudes === undefined ? all : or(...longitudes.map(range => within(`${param}:longitude`, range))),
  );

/** All the bands and what is between them. */
function inBox(bands: readonly Band[], param: string): Node {
  const latitude = within(`${param}:latitude`, [bands[0]!.latitude[0], bands.at(-1)!.latitude[1]]);
  const ranges = bands.flatMap(band => (band.longitudes?.length === 1 ? band.longitudes : []));
  if (ranges.length < bands.length) return latitude;
  const [from, to] = [Math.min(...ranges.map(one => one[0])), Math.max(...ranges.map(one => one[1]))];
  return and(latitude, within(`${param}:longitude`, [from, to]));
}

const within = (param: string, [from, to]: readonly [number, number]): Node =>
  leaf('number', param, [
    { column: 'lo', is: 'range', ge: from },
    { column: 'hi', is: 'range', le: to },
  ]);

function placeAndDistance(
  value: string,
  asked: Asked,
): { middle: readonly [number, number]; metres: number } {
  const [latitude = '', longitude = '', distance = '', unit = '', ...more] = split(value, '|').map(unescape);
  const wrong = (expected: string): never => refuse(asked, value, `expected ${expected}`);
  if (more.length > 0 || !decimal.test(latitude) || !decimal.test(longitude)) return wrong(specialType.form);
  const middle = [Number(latitude), Number(longitude)] as const;
  if (Math.abs(middle[0]) > 90) return wrong('a latitude from -90 to 90');
  if (Math.abs(middle[1]) > 180) return wrong('a longitude from -180 to 180');
  if (distance === '') return { middle, metres: defaultDistance };
  if (!decimal.test(distance) || distance.startsWith('-')) return wrong('a distance of 0 or more');
  const of = unit === '' ? { code: 'm', factor: kilometre } : canonicalUnit(unit);
  if (of?.code !== 'm') return wrong('a unit of length in UCUM, such as km, m, [mi_i] or [ft_i]');
  return { middle, metres: Number(distance) * of.factor };
}

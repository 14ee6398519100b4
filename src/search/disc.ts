// The disc of a `near` search as ranges of latitude and longitude, since rows are found by ranges and by nothing else:
// bands of latitude, each as wide as the disc is at its widest there. https://hl7.org/fhir/R4/location.html#positional
// Great circles on a sphere. Surprising: around a pole a band has all longitudes, and past 180° it goes on from -180°.

/** The mean radius of the earth in metres, of GRS 80. https://doi.org/10.1007/s001900050278 */
const earthRadius = 6_371_008.8;
/** Added to every distance, in metres: a place at the very distance must not be lost to rounding. */
const rounding = 0.01;
/** Nothing is found that is further off than the distance by more than this factor. */
export const tolerance = 1.02;
/** A band is halved so many times at most. */
const mostHalvings = 12;

const radian = Math.PI / 180;

/** A part of the disc; both ends inclusive, in degrees. */
export interface Band {
  readonly latitude: readonly [from: number, to: number];
  /** One range, or two where the band crosses the 180th meridian. Absent: all longitudes. */
  readonly longitudes?: readonly (readonly [from: number, to: number])[];
}

/** Great-circle distance in metres of two places in degrees. */
export function distance(
  [latitude, longitude]: readonly [number, number],
  other: readonly [number, number],
): number {
  const across = Math.cos(latitude * radian) * Math.cos(other[0] * radian) * haversine(other[1] - longitude);
  return 2 * earthRadius * Math.asin(Math.sqrt(Math.min(1, haversine(other[0] - latitude) + across)));
}

/** Bands, from south to north, that cover all within `metres` of the place and nothing beyond `tolerance` times that. */
export function bandsOf(middle: readonly [latitude: number, longitude: number], metres: number): Band[] {
  const radius = Math.min(metres + rounding, Math.PI * earthRadius);
  const degrees = radius / earthRadius / radian;
  const [latitude, longitude] = middle;
  const bands: Band[] = [];
  const cover = (from: number, to: number, halvings: number): void => {
    const width = widest(latitude, degrees, from, to);
    if (furthest(middle, width, from, to) > radius * tolerance && halvings < mostHalvings) {
      const half = (from + to) / 2;
      cover(from, half, halvings + 1);
      cover(half, to, halvings + 1);
    } else
      bands.push({ latitude: [from, to], ...(width < 180 ? { longitudes: around(longitude, width) } : {}) });
  };
  cover(Math.max(-90, latitude - degrees), Math.min(90, latitude + degrees), 0);
  return bands;
}

/** Half the width of the disc, in degrees of longitude, where it is widest between two latitudes. */
function widest(middle: number, degrees: number, from: number, to: number): number {
  const ends = Math.max(halfWidth(middle, degrees, from), halfWidth(middle, degrees, to));
  if (Math.abs(middle) + degrees >= 90) return ends; // it holds a pole: it only widens towards that
  const at = Math.asin(Math.sin(middle * radian) / Math.cos(degrees * radian)) / radian;
  return from < at && at < to ? Math.max(ends, halfWidth(middle, degrees, at)) : ends;
}

/** The distance of what is furthest from the middle in a band: at one of its corners, or, far around, beside it. */
function furthest(middle: readonly [number, number], width: number, from: number, to: number): number {
  const [latitude, longitude] = middle;
  const beside =
    Math.atan2(-Math.sin(latitude * radian), -Math.cos(latitude * radian) * Math.cos(width * radian)) /
    radian;
  const places = from < beside && beside < to ? [from, beside, to] : [from, to];
  return Math.max(...places.map(at => distance(middle, [at, longitude + width])));
}

/** By haversines: cosines of small angles are all 1. */
function halfWidth(middle: number, degrees: number, at: number): number {
  if (Math.abs(middle + at) >= 180 - degrees) return 180;
  if (Math.abs(middle - at) >= degrees) return 0;
  const across =
    (haversine(degrees) - haversine(middle - at)) / (Math.cos(middle * radian) * Math.cos(at * radian));
  return (2 * Math.asin(Math.sqrt(Math.min(1, across)))) / radian;
}

const haversine = (degrees: number): number => Math.sin((degrees * radian) / 2) ** 2;

function around(longitude: number, width: number): (readonly [number, number])[] {
  const [from, to] = [longitude - width, longitude + width];
  if (from <= -180) return [[-180, to], [from + 360, 180]]; // prettier-ignore
  if (to >= 180) return [[from, 180], [-180, to - 360]]; // prettier-ignore
  return [[from, to]];
}

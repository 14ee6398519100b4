// Bands of a `near` search against distances: nothing within is missed, nothing well outside is found.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandsOf, distance, tolerance, type Band } from '../../src/search/disc.js';

type Place = readonly [latitude: number, longitude: number];

const covers = (bands: readonly Band[], [latitude, longitude]: Place): boolean =>
  bands.some(
    band =>
      band.latitude[0] <= latitude &&
      latitude <= band.latitude[1] &&
      (band.longitudes?.some(([from, to]) => from <= longitude && longitude <= to) ?? true),
  );

/** Where one comes to from a place. https://www.movable-type.co.uk/scripts/latlong.html has the formula. */
function destination([latitude, longitude]: Place, metres: number, bearing: number): Place {
  const radian = Math.PI / 180;
  const [a, d, b] = [latitude * radian, metres / 6_371_008.8, bearing * radian];
  const sine = Math.sin(a) * Math.cos(d) + Math.cos(a) * Math.sin(d) * Math.cos(b);
  const to = Math.asin(Math.min(1, Math.max(-1, sine)));
  const by = Math.atan2(Math.sin(b) * Math.sin(d) * Math.cos(a), Math.cos(d) - Math.sin(a) * sine);
  const east = longitude + by / radian;
  return [to / radian, east - 360 * Math.round(east / 360)];
}

const real = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
const middle: fc.Arbitrary<Place> = fc.tuple(
  fc.oneof(real(-90, 90), real(89, 90), real(-90, -89.9), fc.constantFrom(0, 90, -90)),
  fc.oneof(real(-180, 180), real(179.9, 180), fc.constantFrom(0, 180, -180)),
);
const metres = fc.oneof(real(1, 5_000), real(1_000, 300_000), real(100_000, 20_000_000));

describe('a disc', () => {
  it('is covered, and little besides', () => {
    fc.assert(
      fc.property(middle, metres, real(0, 360), real(0, 1.5), (from, radius, bearing, part) => {
        const place = destination(from, radius * part, bearing);
        const off = distance(from, place);
        const found = covers(bandsOf(from, radius), place);
        if (off <= radius) expect(found, `${off} of ${radius}`).toBe(true);
        if (off > radius * tolerance + 0.05) expect(found, `${off} of ${radius}`).toBe(false);
      }),
      { numRuns: 20_000 },
    );
  });

  it('takes a bounded number of bands', () => {
    fc.assert(
      fc.property(middle, fc.oneof(metres, fc.constant(0)), (from, radius) => {
        expect(bandsOf(from, radius).length).toBeLessThanOrEqual(130);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('a distance', () => {
  it.each([
    [[0, 0], [0, 1], 111_195],
    [[0, 179.5], [0, -179.5], 111_195],
    [[89, 0], [89, 180], 222_390],
    [[-90, 0], [90, 0], 20_015_115],
  ] as const)('from %o to %o is %d m', (from, to, expected) => {
    expect(Math.abs(distance(from, to) - expected)).toBeLessThan(20);
  });
});

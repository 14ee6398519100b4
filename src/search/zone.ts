// Wall-clock times of an IANA time zone as instants, by Intl. https://hl7.org/fhir/R4/search.html#date
// Surprising: at the end of summer time a wall-clock time happens twice, at its start some times never happen. A range
// of wall-clock times is therefore from the earliest instant of its start to the latest instant of its end.

const hour = 3_600_000;

const formats = new Map<string, Intl.DateTimeFormat>();

/** @throws RangeError where Intl does not know the zone. */
export function zoneFormat(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, hourCycle: 'h23', era: 'short',
      year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric',
    }); // prettier-ignore
    formats.set(zone, format);
  }
  return format;
}

/** Milliseconds that the zone's wall clock is ahead of UTC at the instant. */
function offsetAt(instant: number, zone: string): number {
  const part: Record<string, string> = {};
  for (const { type, value } of zoneFormat(zone).formatToParts(instant)) part[type] = value;
  const year = part['era'] === 'BC' ? 1 - Number(part['year']) : Number(part['year']);
  const wall = utc(
    year,
    Number(part['month']),
    Number(part['day']),
    Number(part['hour']),
    Number(part['minute']),
    Number(part['second']),
  );
  return wall - Math.floor(instant / 1000) * 1000;
}

/** Like Date.UTC with months from 1, and without its special years 0 to 99. */
export function utc(
  year: number,
  month: number,
  day: number,
  hours = 0,
  minutes = 0,
  seconds = 0,
  millis = 0,
): number {
  if (year >= 100) return Date.UTC(year, month - 1, day, hours, minutes, seconds, millis);
  return (
    new Date(0).setUTCFullYear(year, month - 1, day) + ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis
  );
}

const known = new Map<string, number>();

/**
 * The earliest (or latest) instant at which the zone's wall clock shows `wall`, which is given as if it were UTC. Where
 * the clock skips it: the first instant after the gap (or the last before it).
 */
export function instantOf(wall: number, zone: string, which: 'earliest' | 'latest'): number {
  if (zone === 'UTC') return wall;
  const key = `${which}${wall} ${zone}`;
  let instant = known.get(key);
  if (instant === undefined) {
    instant = find(wall, zone, which);
    if (known.size > 20_000) known.clear();
    known.set(key, instant);
  }
  return instant;
}

function find(wall: number, zone: string, which: 'earliest' | 'latest'): number {
  const before = offsetAt(wall - 26 * hour, zone);
  const after = offsetAt(wall + 26 * hour, zone);
  const candidates = before === after ? [wall - before] : [wall - before, wall - after];
  const valid = candidates.filter(instant => instant + offsetAt(instant, zone) === wall);
  if (valid.length > 0) return which === 'earliest' ? Math.min(...valid) : Math.max(...valid);
  // In a gap: the change lies between the two candidates.
  let low = Math.min(...candidates) - 1;
  let high = Math.max(...candidates);
  const old = offsetAt(low, zone);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetAt(middle, zone) === old) low = middle;
    else high = middle;
  }
  return which === 'earliest' ? high : low;
}

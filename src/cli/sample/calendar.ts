// Dates of the sample district: everything is counted from a given day, in Lesotho's time (UTC+02:00, no summer time).
// https://hl7.org/fhir/R4/datatypes.html#dateTime

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;
const offset = 2 * hour;

/** Milliseconds of midnight in Lesotho at the start of `YYYY-MM-DD`; undefined where that is no day. */
export function startOfDay(date: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(date)) return undefined;
  const utc = Date.parse(`${date}T00:00:00Z`);
  return Number.isNaN(utc) || new Date(utc).toISOString().slice(0, 10) !== date ? undefined : utc - offset;
}

/** `2026-01-05T09:30:00+02:00` */
export const dateTime = (ms: number): string => `${new Date(ms + offset).toISOString().slice(0, 19)}+02:00`;

/** `2026-01-05` */
export const date = (ms: number): string => new Date(ms + offset).toISOString().slice(0, 10);

/** The nth working day (Monday to Friday) after `today`, or before it where n is negative, at midnight. */
export function workingDay(today: number, n: number): number {
  const weekday = (new Date(today + offset).getUTCDay() + 6) % 7; // Monday is 0
  // Counted from the Monday of today's week; a weekend counts as the Friday before it, or the Monday after.
  const from = n > 0 ? Math.min(weekday, 4) : Math.min(weekday, 5);
  const index = from + n;
  const week = Math.floor(index / 5);
  return today + (week * 7 + (index - week * 5) - weekday) * day;
}

/** Full years between two instants, by Lesotho's calendar. */
export function yearsBetween(from: number, to: number): number {
  const a = date(from);
  const b = date(to);
  return Number(b.slice(0, 4)) - Number(a.slice(0, 4)) - (b.slice(5) < a.slice(5) ? 1 : 0);
}

// Ids and instants the server gives. Ids are UUIDs of version 7 (RFC 9562 section 5.7): ordered by time, because random
// ids double the cost of inserting. Within a process neither ids nor the clock ever go backward, whatever the system's
// clock does.
import { randomUUID } from 'node:crypto';

let latest = 0;

/** Milliseconds since 1970 UTC, never less than the answer before. */
export function now(): number {
  latest = Math.max(latest, Date.now());
  return latest;
}

/** FHIR's instant, in UTC with milliseconds. https://hl7.org/fhir/R4/datatypes.html#instant */
export function instant(ms: number): string {
  if (ms !== told) {
    toldAs = new Date(ms).toISOString();
    told = ms;
  }
  return toldAs;
}
/** Writes of the same millisecond follow each other. */
let told = NaN;
let toldAs = '';

let tick = 0;
let counter = 0;

/** A UUID greater than all this process has given before; its last 62 bits are random. */
export function newId(): string {
  const ms = now();
  if (ms > tick) {
    tick = ms;
    counter = Math.floor(Math.random() * 0x800); // leaves at least 2,048 ids within the millisecond
  } else if (++counter > 0xfff) {
    tick++; // borrowed from the future, as RFC 9562 section 6.2 allows
    counter = 0;
  }
  const time = tick.toString(16).padStart(12, '0');
  // The last two groups of a random UUID carry the variant that version 7 has too.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}${randomUUID().slice(18)}`;
}

// What belongs to one search on one connection: the predicates its statements call, and names for aliases.
import type { Bits } from './bits.js';
import type { Connection } from './connection.js';
import type { Fragment } from './fragment.js';

/**
 * Work in steps; between two of them others may run and the time is checked. 'long': what follows is better done where
 * sets are kept, by a connection with `sets`.
 */
export type Steps<T> = Generator<'long' | undefined, T, void>;

/** A query on one connection: the predicates its statements call, and names for aliases. */
export class Query {
  private aliases = 0;
  constructor(readonly connection: Connection) {
    const { holds, inset, tuple } = connection.slots;
    holds.length = inset.length = tuple.length = 0;
  }
  alias(letter: string): string {
    return `${letter}${++this.aliases}`;
  }
  holds(test: (packed: Buffer) => boolean, cur: string): Fragment {
    const slot = this.connection.slots.holds.push(test) - 1;
    return { sql: `holds(?, ${cur}.b)`, args: [slot], cur: true };
  }
  inset(rids: Bits, r: string): Fragment {
    const slot = this.connection.slots.inset.push(rid => rids.has(rid)) - 1;
    return { sql: `inset(?, ${r})`, args: [slot] };
  }
  tuple(test: (a: string, b: string | number, j: string) => boolean): Fragment {
    const slot = this.connection.slots.tuple.push(test) - 1;
    return { sql: 'tuple(?, a, b, j)', args: [slot] };
  }
}

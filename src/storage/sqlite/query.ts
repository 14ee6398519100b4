// What belongs to one search on one connection: the predicates its statements call, and names for aliases.
import type { Connection } from './connection.js';
import type { Fragment } from './fragment.js';

/** Work in steps; between two of them others may run and the time is checked. */
export type Steps<T> = Generator<void, T, void>;

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

/** A set of resource numbers, a bit each. */
export class Bits {
  private words = new Uint32Array(1024);
  add(rid: number): void {
    const word = rid >>> 5;
    if (word >= this.words.length) {
      const more = new Uint32Array(Math.max(this.words.length * 2, word + 1));
      more.set(this.words);
      this.words = more;
    }
    this.words[word] = this.words[word]! | (1 << (rid & 31));
  }
  has(rid: number): boolean {
    return ((this.words[rid >>> 5] ?? 0) & (1 << (rid & 31))) !== 0;
  }
}

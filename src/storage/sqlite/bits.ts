// A set of resource numbers, a bit each: a million in 125 kB.

const ones = (word: number): number => {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
};

export class Bits {
  private words: Uint32Array;
  constructor(words = new Uint32Array(32)) {
    this.words = words;
  }
  add(rid: number): void {
    const word = rid >>> 5;
    if (word >= this.words.length) {
      const more = new Uint32Array(Math.max(this.words.length * 2, word + 1));
      more.set(this.words);
      this.words = more;
    }
    this.words[word] = this.words[word]! | (1 << (rid & 31));
  }
  delete(rid: number): void {
    const word = rid >>> 5;
    if (word < this.words.length) this.words[word] = this.words[word]! & ~(1 << (rid & 31));
  }
  has(rid: number): boolean {
    return ((this.words[rid >>> 5] ?? 0) & (1 << (rid & 31))) !== 0;
  }
  get size(): number {
    let size = 0;
    for (const word of this.words) if (word !== 0) size += ones(word);
    return size;
  }
  get bytes(): number {
    return this.words.byteLength;
  }
  and(other: Bits): Bits {
    const words = this.words.slice(0, Math.min(this.words.length, other.words.length));
    for (let i = 0; i < words.length; i++) words[i] = words[i]! & other.words[i]!;
    return new Bits(words);
  }
  without(other: Bits): Bits {
    const words = this.words.slice();
    const both = Math.min(words.length, other.words.length);
    for (let i = 0; i < both; i++) words[i] = words[i]! & ~other.words[i]!;
    return new Bits(words);
  }
  or(other: Bits): Bits {
    if (other.words.length > this.words.length) return other.or(this);
    const words = this.words.slice();
    for (let i = 0; i < other.words.length; i++) words[i] = words[i]! | other.words[i]!;
    return new Bits(words);
  }
  /** The first `many` numbers above `after`, rising. */
  following(after: number, many: number): number[] {
    const found: number[] = [];
    for (let rid = after + 1; rid >>> 5 < this.words.length && found.length < many; rid++) {
      const rest = this.words[rid >>> 5]! >>> (rid & 31);
      if (rest === 0) rid |= 31;
      else {
        rid += 31 - Math.clz32(rest & -rest);
        found.push(rid);
      }
    }
    return found;
  }
}

/** When a set was right: after which change, in which epoch. An epoch ends when rows change without a line in the log. */
export interface Moment {
  readonly seq: number;
  readonly epoch: number;
}
/** The sets a connection keeps (kept.ts), by what they are of, those longest unused first. */
export type Sets = Map<string, { readonly bits: Bits; readonly at: Moment }>;

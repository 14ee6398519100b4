// Seeded pseudo-random numbers for the sample district: the same seed gives the same bytes on every machine.
// Surprising why: bell curves are sums of uniform numbers, as Math.log and Math.cos may differ between engines.

/** A deterministic stream of choices. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [low, high]. */
  int(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** Near `mean`, nearly always within 3 × `spread`, rounded to `digits` decimals. */
  around(mean: number, spread: number, digits?: number): number;
}

/** A stream of its own per (seed, stream): what one patient draws never moves what another does. */
export function random(seed: number, stream: number): Random {
  let a = scramble(seed ^ 0x9e3779b9);
  let b = scramble(a ^ stream);
  let c = scramble(b + 0x85ebca6b);
  let counter = 1;
  const next32 = (): number => {
    // sfc32, a small chaotic generator with a counter that guarantees a period of at least 2^32.
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next32();

  const next = (): number => next32() / 0x1_0000_0000;
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    int,
    chance: probability => next() < probability,
    pick: <T>(list: readonly T[]): T => {
      const chosen = list[int(0, list.length - 1)];
      if (chosen === undefined) throw new RangeError('pick from an empty list');
      return chosen;
    },
    around: (mean, spread, digits = 0) => {
      const bell = (next() + next() + next() + next() - 2) * 1.7320508;
      return round(mean + bell * spread, digits);
    },
  };
}

const powers = [1, 10, 100, 1000] as const;

export function round(value: number, digits: number): number {
  const power = powers[digits] ?? 1;
  return Math.round(value * power) / power;
}

/** The 32-bit finalizer of MurmurHash3: neighbouring seeds end far apart. */
function scramble(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) | 0;
}

// Medians and percentiles. Machines are shared and noisy: a ratio is taken within a round, the median over the rounds.

export const sorted = values => Float64Array.from(values).sort();

/** The value below which the fraction `p` of the sorted values lies (nearest rank). */
export const percentile = (ordered, p) =>
  ordered.length === 0 ? NaN : ordered[Math.max(0, Math.ceil(p * ordered.length) - 1)];

export const median = values => {
  const ordered = sorted(values);
  const middle = ordered.length >> 1;
  return ordered.length % 2 === 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2;
};

/** Three digits, so that a table can be read. */
export const short = value =>
  value === undefined || Number.isNaN(value)
    ? '–'
    : Math.abs(value) >= 1000
      ? Math.round(value).toLocaleString('en')
      : Number(value.toPrecision(3)).toString();

/** Latencies in ms to what is reported of them. */
export function latency(milliseconds) {
  const ordered = sorted(milliseconds);
  return {
    p50: percentile(ordered, 0.5),
    p95: percentile(ordered, 0.95),
    p99: percentile(ordered, 0.99),
    max: percentile(ordered, 1),
  };
}

/** A generator of numbers in [0, 1) that a seed repeats (mulberry32), so that two runs ask the same. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const pick = (random, list) => list[Math.floor(random() * list.length)];

// What a long command shows while it runs: a bar on a terminal, a plain line now and then anywhere else, on stderr.

export interface Tally {
  /** Things done. */
  done: number;
  failures: number;
  /** Bytes of the input that are behind us. */
  bytes: number;
}

export interface Progress {
  readonly tally: Tally;
  /** Takes the bar away, so that other lines can be written. */
  finish(): void;
}

export interface ProgressOptions {
  /** Plural. */
  readonly noun: string;
  /** Bytes of the whole input; undefined where nobody knows. */
  readonly totalBytes: number | undefined;
  readonly quiet: boolean;
  readonly stream?: NodeJS.WriteStream;
}

const redraw = 100;
const plainEvery = 5000;
const width = 24;

export function showProgress({
  noun,
  totalBytes,
  quiet,
  stream = process.stderr,
}: ProgressOptions): Progress {
  const tally: Tally = { done: 0, failures: 0, bytes: 0 };
  if (quiet) return { tally, finish: () => undefined };
  const started = Date.now();
  const draw = (): void => {
    const line = progressLine(tally, noun, totalBytes, Date.now() - started, stream.isTTY);
    stream.write(stream.isTTY ? `\r\u001b[K${line.slice(0, (stream.columns || 80) - 1)}` : `${line}\n`);
  };
  const timer = setInterval(draw, stream.isTTY ? redraw : plainEvery);
  timer.unref();
  return {
    tally,
    finish: () => {
      clearInterval(timer);
      if (stream.isTTY) stream.write('\r\u001b[K');
    },
  };
}

/** `[#####···] 42 %  1,234 resources  512/s  0:07 left` */
export function progressLine(
  tally: Tally,
  noun: string,
  totalBytes: number | undefined,
  elapsed: number,
  bar: boolean,
): string {
  const seconds = elapsed / 1000;
  const parts = [`${grouped(tally.done)} ${noun}`, `${grouped(rate(tally.done, elapsed))}/s`];
  if (totalBytes !== undefined && totalBytes > 0) {
    const share = Math.min(1, tally.bytes / totalBytes);
    const filled = Math.round(share * width);
    const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
    parts.unshift(bar ? `[${'#'.repeat(filled)}${'·'.repeat(width - filled)}] ${percent}` : percent);
    // The first second tells too little.
    if (share > 0 && seconds >= 1) parts.push(`${clock((seconds * (1 - share)) / share)} left`);
  }
  if (tally.failures > 0) parts.push(`${grouped(tally.failures)} failed`);
  return parts.join('  ');
}

/** Things per second. */
export const rate = (count: number, elapsed: number): number =>
  elapsed <= 0 ? 0 : Math.round((count * 1000) / elapsed);

export const grouped = (value: number): string => value.toLocaleString('en');

/** `7:05` or `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

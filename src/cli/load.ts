// tsela load: files, folders, addresses and standard input into a server. docs/cli.md tells how it is used.
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { Failure } from './load/deliver.js';
import { run } from './load/run.js';
import type { Sender } from './load/sender.js';
import { findSources, type Source } from './load/sources.js';
import { interruptedCode, Problem, sentenceOf } from './problem.js';
import { clock, grouped, rate, showProgress } from './progress.js';
import { openTarget, type TargetOptions } from './target.js';

export interface LoadOptions extends TargetOptions {
  readonly parallel: number;
  readonly group: number;
  readonly retries: number;
  readonly as: 'auto' | 'bundle' | 'entries';
  readonly run: string;
  readonly failures?: string;
  readonly quiet?: boolean;
}

export const loadDefaults = { parallel: 4, group: 200, retries: 8, as: 'auto', run: '' } as const;

/** Milliseconds before a request is sent again for the first time. */
const firstWait = 200;
/** More are counted, and written to --failures, but not shown. */
const failuresShown = 20;

/** Exit code: 0 where everything is stored, 1 on any failure, 130 after Ctrl-C. */
export async function load(paths: readonly string[], options: LoadOptions): Promise<number> {
  const sources = await findSources(paths);
  const sender = await openTarget(options, options.parallel);
  try {
    return await loadSources(sources, sender, options);
  } finally {
    await sender.close();
  }
}

export async function loadSources(
  sources: readonly Source[],
  sender: Sender,
  options: LoadOptions,
): Promise<number> {
  const sizes = sources.map(source => source.size);
  const totalBytes = sizes.some(size => size === undefined)
    ? undefined
    : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const progress = showProgress({ noun: 'resources', totalBytes, quiet: options.quiet ?? false });
  const list = await openFailures(options.failures);
  const shown: string[] = [];
  const failed = (failure: Failure): void => {
    if (shown.length < failuresShown) shown.push(failureLine(failure));
    list?.write(`${JSON.stringify(failure)}\n`);
  };

  const stop = new AbortController();
  const interrupt = (): void => {
    // The second Ctrl-C ends the process at once, which loses nothing either.
    process.stderr.write('\nStopping after the requests under way; once more stops at once.\n');
    stop.abort();
  };
  process.once('SIGINT', interrupt);
  const started = Date.now();
  const summary = await run(sources, sender, {
    ...options,
    progress,
    failed,
    persistence: { retries: options.retries, firstWait, signal: stop.signal },
  });
  process.off('SIGINT', interrupt);
  progress.finish();
  if (list) {
    list.end();
    await once(list, 'close');
  }

  for (const line of shown) process.stderr.write(`${line}\n`);
  const hidden = summary.failures - shown.length;
  if (hidden > 0)
    process.stderr.write(
      `… and ${grouped(hidden)} more${options.failures === undefined ? '; --failures FILE lists all' : ''}.\n`,
    );
  const elapsed = Date.now() - started;
  const files = sources.length === 1 ? '1 source' : `${grouped(sources.length)} sources`;
  const time = elapsed < 10_000 ? `${(elapsed / 1000).toFixed(1)} s` : clock(elapsed / 1000);
  process.stdout.write(
    `Loaded ${grouped(summary.stored)} resources from ${files} in ${time} (${grouped(rate(summary.stored, elapsed))}/s), ${grouped(summary.failures)} failed.\n`,
  );
  if (stop.signal.aborted) {
    process.stderr.write('Interrupted. Run the same command again: it goes on where it stopped.\n');
    return interruptedCode;
  }
  if (summary.stopped) throw summary.stopped;
  return summary.failures === 0 ? 0 : 1;
}

/** `path, entry 3 (Observation/7): 400 Observation.status: …` */
export function failureLine({ source, place, what, status, message, expression }: Failure): string {
  const where = [source, place].filter(part => part !== '').join(', ');
  const subject = what === '' ? '' : ` (${what})`;
  const element = expression === undefined || message.includes(expression) ? '' : `${expression}: `;
  return `${where}${subject}: ${status === 0 ? '' : `${status} `}${element}${message}`;
}

async function openFailures(path: string | undefined): Promise<NodeJS.WritableStream | undefined> {
  if (path === undefined) return undefined;
  const stream = createWriteStream(path);
  try {
    await once(stream, 'open');
  } catch (cause) {
    throw new Problem(`--failures ${path} cannot be written: ${sentenceOf(cause)}`, undefined, { cause });
  }
  return stream;
}

// tsela sample: writes the made-up health district to a file, to standard output, or into a server.
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { loadDefaults, loadSources } from './load.js';
import { made } from './load/sources.js';
import { Problem, sentenceOf } from './problem.js';
import { sampleBundles, sampleLines } from './sample/generate.js';
import { openTarget, type TargetOptions } from './target.js';

export interface SampleCommandOptions extends TargetOptions {
  readonly patients: number;
  readonly seed: number;
  readonly today: string;
  /** One resource a line, or one transaction bundle a line. */
  readonly format: 'ndjson' | 'bundles';
  readonly out?: string;
  readonly parallel: number;
  readonly quiet?: boolean;
}

export async function sample(options: SampleCommandOptions): Promise<number> {
  const { patients, seed, today, format, out } = options;
  const lines = (format === 'bundles' ? sampleBundles : sampleLines)({ patients, seed, today });
  const isServer =
    options.url !== undefined || options.data !== undefined || options.mongodbUrl !== undefined;
  if (isServer) {
    if (out !== undefined) throw new Problem('--out and --url or --data exclude each other.');
    const sender = await openTarget(options, options.parallel);
    try {
      const name = `sample of ${patients} patients, seed ${seed}`;
      return await loadSources([made(name, name, lines)], sender, { ...loadDefaults, ...options });
    } finally {
      await sender.close();
    }
  }
  if (out === undefined || out === '-') {
    await pipeline(Readable.from(chunked(lines)), process.stdout, { end: false }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EPIPE') throw error; // the reader has seen enough, as `head` does
      },
    );
    return 0;
  }
  await writeFile(out, lines);
  return 0;
}

/** Whole or not at all: under another name first. */
async function writeFile(out: string, lines: Iterable<string>): Promise<void> {
  const temporary = `${out}.part`;
  try {
    const source = Readable.from(chunked(lines));
    const file = createWriteStream(temporary);
    if (out.endsWith('.gz')) await pipeline(source, createGzip(), file);
    else await pipeline(source, file);
    await rename(temporary, out);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new Problem(`${out} cannot be written: ${sentenceOf(cause)}`, undefined, { cause });
  }
}

const chunkLength = 1 << 18;

function* chunked(lines: Iterable<string>): Generator<Buffer> {
  let held: string[] = [];
  let length = 0;
  for (const line of lines) {
    held.push(line, '\n');
    length += line.length;
    if (length < chunkLength) continue;
    yield Buffer.from(held.join(''));
    [held, length] = [[], 0];
  }
  if (held.length > 0) yield Buffer.from(held.join(''));
}

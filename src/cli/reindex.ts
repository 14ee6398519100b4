// tsela reindex and tsela backup: on the data of a stopped server, in this process.
import { existsSync } from 'node:fs';
import { Problem, sentenceOf } from './problem.js';
import { grouped, showProgress } from './progress.js';
import { openSystem, type DataOptions, type TargetOptions } from './target.js';

/** Makes every index row anew from the stored resources. */
export async function reindex(options: TargetOptions & { readonly quiet?: boolean }): Promise<number> {
  if (options.url !== undefined) {
    throw new Problem(
      'The whole index is made anew on the data of a stopped server only.',
      'Stop it and give --data, or name SearchParameters by --parameter.',
    );
  }
  const { system } = await openSystem(options, { mustExist: true });
  const progress = showProgress({ noun: 'resources', totalBytes: undefined, quiet: options.quiet ?? false });
  try {
    const count = await system.reindex(done => {
      progress.tally.done = done;
    });
    progress.finish();
    process.stdout.write(`Made the index of ${grouped(count)} resources anew.\n`);
    return 0;
  } finally {
    progress.finish();
    await system.close();
  }
}

/** A consistent copy of the embedded store in a new file. */
export async function backup(path: string, options: DataOptions): Promise<number> {
  if (existsSync(path))
    throw new Problem(`${path} exists already.`, 'A backup never overwrites: give a new name.');
  const { system } = await openSystem(options, { mustExist: true });
  try {
    const { capabilities } = system.store;
    if (!capabilities.onlineBackup) {
      throw new Problem(
        `The ${capabilities.name} store is not backed up this way.`,
        'For MongoDB use mongodump or a snapshot of the replica set.',
      );
    }
    await system.store.backup(path).catch((cause: unknown) => {
      throw new Problem(`${path} cannot be written: ${sentenceOf(cause)}`, undefined, { cause });
    });
    process.stdout.write(`Wrote ${path}.\n`);
    return 0;
  } finally {
    await system.close();
  }
}

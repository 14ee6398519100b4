// tsela reindex: on the data of a stopped server, in this process.
import { Problem } from './problem.js';
import { grouped, showProgress } from './progress.js';
import { openSystem, type TargetOptions } from './target.js';

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

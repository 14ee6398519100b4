// tsela terminology: code systems in bulk, into the data of a server; a server that runs on it knows them within a second.
import { announce } from '../interactions/definition-store.js';
import { forgetSystem, keepSystem, listSystems } from '../terminology/loaded.js';
import { Unreadable } from '../terminology/load/csv.js';
import { readSystem, type Form } from '../terminology/load/load-system.js';
import { Problem, sentenceOf } from './problem.js';
import { grouped, showProgress } from './progress.js';
import { withDocuments, type DataOptions } from './target.js';

export interface TerminologyLoadOptions extends DataOptions {
  readonly system?: string;
  readonly systemVersion?: string;
  readonly name?: string;
  readonly format?: Form;
  readonly supplements?: string;
  readonly quiet?: boolean;
}

/** Loads a code system in place of the one of its url and version. */
export async function loadTerminology(path: string, options: TerminologyLoadOptions): Promise<number> {
  const { system, systemVersion: version, name, format, supplements } = options;
  const progress = showProgress({ noun: 'concepts', totalBytes: undefined, quiet: options.quiet ?? false });
  try {
    const wanted = { path, form: format, system, version, name, supplements };
    const { head, arrays } = await readSystem(wanted, count => {
      progress.tally.done = count;
    }).catch((cause: unknown) => {
      const isFile = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      if (isFile) throw new Problem(`${path} does not exist.`, undefined, { cause });
      if (cause instanceof Unreadable) throw new Problem(cause.message, '`tsela help terminology` shows the forms.', { cause }); // prettier-ignore
      throw new Problem(`${path} cannot be read: ${sentenceOf(cause)}`, undefined, { cause });
    });
    return await withDocuments(options, async documents => {
      const kept = await keepSystem(documents, head, arrays);
      await announce(documents);
      progress.finish();
      process.stdout.write(
        `Loaded ${grouped(kept.concepts)} concepts of ${kept.url}${kept.version === undefined ? '' : `, version ${kept.version}`} (${grouped(Math.ceil(kept.bytes / 1e6))} MB in memory when used).\n`,
      );
      return 0;
    });
  } finally {
    progress.finish();
  }
}

export const listTerminology = (options: DataOptions): Promise<number> =>
  withDocuments(options, async documents => {
    const systems = await listSystems(documents);
    if (systems.length === 0) process.stdout.write('No code system is loaded.\n');
    for (const { url, version = '', content, concepts, loaded } of systems)
      process.stdout.write([url, version, content, grouped(concepts), loaded].join('\t') + '\n');
    return 0;
  });

export const removeTerminology = (
  system: string,
  options: DataOptions & { readonly systemVersion?: string },
): Promise<number> =>
  withDocuments(options, async documents => {
    if (!(await forgetSystem(documents, system, options.systemVersion)))
      throw new Problem(`${system}${options.systemVersion === undefined ? ' without a version' : `, version ${options.systemVersion},`} is not loaded.`, '`tsela terminology list` shows what is.'); // prettier-ignore
    await announce(documents);
    process.stdout.write(`Removed ${system}.\n`);
    return 0;
  });

// tsela reindex --parameter: brings search in line with SearchParameters as they are stored, on a running server or on the
// data of a stopped one, and shows how far the job is. docs/search-parameters.md
import { setTimeout as wait } from 'node:timers/promises';
import { inProcess, overHttp, type Answer, type Sender } from './load/sender.js';
import { Problem } from './problem.js';
import { grouped, showProgress } from './progress.js';
import { greeted, headersOf, oneTarget, openSystem, type TargetOptions } from './target.js';

export interface ParameterOptions extends TargetOptions {
  /** Canonical urls. */
  readonly parameter?: readonly string[];
  readonly quiet?: boolean;
}

/** How often the job is asked about, ms. */
const every = 250;

export async function reindexParameters(
  options: ParameterOptions & { readonly parameter: readonly string[] },
): Promise<number> {
  await oneTarget(options);
  const sender = await open(options);
  try {
    const accepted = await sender.send({
      method: 'POST',
      path: '$reindex',
      headers: { 'content-type': 'application/fhir+json', accept: 'application/fhir+json' },
      body: JSON.stringify({
        resourceType: 'Parameters',
        parameter: options.parameter.map(url => ({ name: 'url', valueCanonical: url })),
      }),
    });
    if (accepted.status === 200) {
      process.stdout.write('Nothing to do: search is in line with what is stored.\n');
      return 0;
    }
    if (accepted.status !== 202) throw refusal(accepted);
    // The base a server knows itself by may not be the one it was reached by.
    const path = /\$job\/[^/]+$/.exec(accepted.headers['content-location'] ?? '')?.[0];
    if (path === undefined) throw new Problem('The server does not say where its job can be asked about.');
    const done = await watch(sender, path, options.quiet ?? false);
    for (const { name, text } of done)
      process.stdout.write(`${name === 'activated' ? 'In use' : 'Given up'}: ${text}\n`);
    return 0;
  } finally {
    await sender.close();
  }
}

async function open(options: ParameterOptions): Promise<Sender> {
  if (options.url !== undefined) return greeted(overHttp(options.url, headersOf(options.header), 1));
  const { system, base } = await openSystem(options, { mustExist: true });
  system.work();
  return inProcess(system, base);
}

/** Asks until the job is over; what became of which url. */
async function watch(
  sender: Sender,
  path: string,
  quiet: boolean,
): Promise<readonly { name: string; text: string }[]> {
  const progress = showProgress({ noun: 'resources', totalBytes: undefined, quiet });
  try {
    for (;;) {
      const answer = await sender.send({ method: 'GET', path, headers: { accept: 'application/fhir+json' } });
      if (answer.status !== 202 && answer.status !== 200) throw refusal(answer);
      const done = /^indexing: (\d+)/.exec(answer.headers['x-progress'] ?? '')?.[1];
      if (done !== undefined) progress.tally.done = Number(done);
      if (answer.status === 200) {
        const { parameter } = JSON.parse(answer.body) as {
          parameter: { name: string; valueCanonical?: string; valueInteger?: number }[];
        };
        const resources = parameter.find(one => one.name === 'resources')?.valueInteger ?? 0;
        progress.finish();
        if (!quiet) process.stdout.write(`Indexed ${grouped(resources)} resources.\n`);
        return parameter.flatMap(({ name, valueCanonical }) =>
          valueCanonical === undefined ? [] : { name, text: valueCanonical },
        );
      }
      await wait(every);
    }
  } finally {
    progress.finish();
  }
}

/** What an OperationOutcome says. */
function refusal({ status, body }: Answer): Problem {
  let said: string | undefined;
  try {
    const { issue = [] } = JSON.parse(body) as { issue?: { details?: { text?: string } }[] };
    said = issue.flatMap(one => one.details?.text ?? []).join('\n');
  } catch {
    said = undefined;
  }
  return new Problem(said || `The server answered ${status}.`);
}

// What the tests of custom search parameters share.
import { expect } from 'vitest';
import type { Held } from '../../src/jobs/queue.js';
import { reindexRun } from '../../src/jobs/reindex.js';
import { searchIndexVersion } from '../../src/search/index-rows.js';
import type { Answer, Tsela } from '../system.js';

export type Json = Record<string, unknown>;

/** A SearchParameter on Patient unless `more` says otherwise. */
export const custom = (code: string, more: Json): Json & { url: string } => ({
  resourceType: 'SearchParameter',
  id: code,
  url: `http://example.org/SearchParameter/${code}`,
  name: code.replaceAll('-', '_'),
  status: 'active',
  description: `Test of ${code}`,
  code,
  base: ['Patient'],
  ...more,
});

export const extensionUrl = 'http://example.org/colour';
/** The text of an extension, by code `colour`. */
export const colour = custom('colour', {
  type: 'string',
  expression: `Patient.extension.where(url = '${extensionUrl}').value`,
});
export const colouredPatient = (id: string, ...colours: string[]): Json => ({
  resourceType: 'Patient',
  id,
  extension: colours.map(valueString => ({ url: extensionUrl, valueString })),
});

/** Polls the status address until the job is over. */
export async function settled({ send }: Tsela, accepted: Answer): Promise<Answer> {
  expect(accepted.status, accepted.text).toBe(202);
  const where = accepted.headers['content-location']!.split('/fhir/')[1]!;
  for (;;) {
    const status = await send('GET', where);
    if (status.status !== 202) return status;
    expect(status.headers['x-progress']).toBeTruthy();
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

/** Stores the parameters and has them used. */
export async function use(tsela: Tsela, ...parameters: (Json & { url: string })[]): Promise<Answer> {
  for (const one of parameters)
    expect((await tsela.send('PUT', `SearchParameter/${String(one['id'])}`, one)).status).toBeLessThan(300);
  const parameter = parameters.map(({ url }) => ({ name: 'url', valueCanonical: url }));
  const done = await settled(
    tsela,
    await tsela.send('POST', '$reindex', { resourceType: 'Parameters', parameter }),
  );
  expect(done.status, done.text).toBe(200);
  return done;
}

export const idsOf = ({ body, status, text }: Answer): string[] => {
  expect(status, text).toBe(200);
  return ((body['entry'] ?? []) as { resource: { id: string } }[]).map(entry => entry.resource.id);
};

/** A job that stands still at each of its checkpoints until it is let on; for systems whose own worker does not run. */
export class Stepped {
  private readonly steps: (() => void)[] = [];
  private waiting: ((step: string | undefined) => void) | undefined;
  private arrived: string[] = [];
  readonly ended: Promise<unknown>;

  private constructor(tsela: Tsela, held: Held) {
    const { store, parameters, rowsOf, settings } = tsela.system;
    const run = reindexRun({ store, parameters, rowsOf, core: searchIndexVersion(settings.zone) });
    this.ended = run({
      get job() {
        return held.job;
      },
      checkpoint: async (checkpoint, progress) => {
        await held.save({ checkpoint, progress });
        this.arrive(progress.step);
        await new Promise<void>(resolve => this.steps.push(resolve));
      },
      pause: async () => undefined,
    }).then(async result => {
      await held.save({ state: result === undefined ? 'cancelled' : 'done', result });
      this.arrive('');
      return result;
    });
    this.ended.catch(() => this.arrive('failed'));
  }

  static async begin(tsela: Tsela): Promise<Stepped> {
    const held = await tsela.system.queue.claim(['reindex']);
    if (held === undefined) throw new Error('There is no job to do');
    return new Stepped(tsela, held);
  }

  private arrive(step: string): void {
    if (this.waiting === undefined) this.arrived.push(step);
    else this.waiting(step);
    this.waiting = undefined;
  }

  /** The step at whose checkpoint it stands; '' when it is done. */
  async at(): Promise<string> {
    const arrived = this.arrived.shift();
    return (
      arrived ?? ((await new Promise<string | undefined>(resolve => (this.waiting = resolve))) as string)
    );
  }
  /** Lets it go on to its next checkpoint. */
  on(): Promise<string> {
    this.steps.shift()!();
    return this.at();
  }
  /** From where it stands. */
  async toEnd(): Promise<void> {
    for (let step = 'begun'; step !== '';) step = await this.on();
  }
  /** From its first checkpoint. */
  async toEndFromStart(): Promise<void> {
    if ((await this.at()) !== '') await this.toEnd();
  }
}

// Brings search in line with custom SearchParameters: those asked for are indexed beside traffic and then used, those
// given up are no longer answered and their rows taken away. https://hl7.org/fhir/R4/search.html
// docs/decisions/0040-custom-parameters.md has the order of the steps and why no write can slip through.
import { FhirError } from '../errors.js';
import type { SearchParameterDefinition } from '../fhir/definitions.js';
import type { Resource } from '../fhir/resource.js';
import { judgeParameter, rowName, typesOf } from '../search/custom-parameters.js';
import type { RowsOf, Store } from '../storage/store.js';
import type { Active, ActiveParameters } from './active-parameters.js';
import type { Job } from './queue.js';
import { nameIndex } from './whole-index.js';
import type { Run, Running } from './worker.js';

/** What a reindex job is given. */
export interface ReindexInput {
  readonly activate: readonly SearchParameterDefinition[];
  /** Canonical urls. */
  readonly deactivate: readonly string[];
}

/** What it came to. */
export interface ReindexResult {
  readonly activated: readonly string[];
  readonly deactivated: readonly string[];
  /** Resources whose rows were made. */
  readonly resources: number;
}

interface Checkpoint {
  readonly step: 'index' | 'switch' | 'undo' | 'purge';
  readonly after: string;
  readonly done: number;
  /** Resources indexed, kept through the later steps. */
  readonly resources: number;
  /** What the last step takes away. */
  readonly dropped: readonly Active[];
  /** The job was cancelled before it took effect. */
  readonly undone: boolean;
}

export interface ReindexReach {
  readonly store: Store;
  readonly parameters: ActiveParameters;
  readonly rowsOf: RowsOf;
  /** The name of the parameters of the specification. */
  readonly core: string;
}

/** Resources between two checkpoints. */
const portion = 200;

export const reindexRun =
  ({ store, parameters, rowsOf, core }: ReindexReach): Run =>
  async running => {
    const { id, input } = running.job;
    const { activate, deactivate } = input as ReindexInput;
    let at = (running.job.checkpoint as Checkpoint | undefined) ?? {
      step: 'index',
      after: '',
      done: 0,
      resources: 0,
      dropped: [],
      undone: false,
    };
    const urls = new Set([...activate.map(one => one.url), ...deactivate]);
    const isMine = (one: Active): boolean => one.job === id;
    const isOld = (one: Active): boolean => one.state === 'retiring' && urls.has(one.definition.url);

    if (at.step === 'index') {
      if (!running.job.cancelling) {
        await parameters.change((inUse, generation) => announced(inUse, generation, running.job));
        // Whoever writes from now on writes the new rows; what was written before is there to be read.
        await parameters.fence();
        at = await indexed(running, { store, rowsOf }, parameters.inUse().filter(isMine), at, 'indexing');
        await running.checkpoint(at, { step: 'switching', done: at.done }); // hears of a wish to cancel
      }
      at = { ...at, step: running.job.cancelling ? 'undo' : 'switch' };
      await running.checkpoint(at, { step: 'switching', done: at.done });
    }
    if (at.step === 'switch') {
      const whole = parameters.inUse().filter(one => one.state !== 'building' || isMine(one));
      await nameIndex(store, core, whole);
      await parameters.change(inUse =>
        inUse.map(one => {
          if (isMine(one)) return { ...one, state: 'ready' };
          return urls.has(one.definition.url) ? { ...one, state: 'retiring' } : one;
        }),
      );
      // Other servers may answer by what was given up until they have heard of it; its rows are made until then.
      if (parameters.inUse().some(isOld)) await running.pause(parameters.grace);
    } else if (at.step === 'undo') {
      await parameters.change(inUse => inUse.map(one => (isMine(one) ? { ...one, state: 'retiring' } : one)));
    }
    const undone = at.undone || at.step === 'undo';
    if (at.step !== 'purge') {
      const dropped = parameters.inUse().filter(isOld);
      at = { ...at, step: 'purge', after: '', done: 0, dropped, undone };
      await running.checkpoint(at, { step: 'tidying', done: 0 });
    }
    if (at.dropped.length > 0) {
      const { dropped } = at;
      const isDropped = (one: Active): boolean => dropped.some(other => other.number === one.number);
      await parameters.change(inUse =>
        inUse.some(isDropped) ? inUse.filter(one => !isDropped(one)) : inUse,
      );
      await parameters.fence();
      await store.forgetRows(dropped.map(rowName));
      at = await indexed(running, { store, rowsOf }, dropped, at, 'tidying', []);
    }
    if (undone) return undefined;
    const result: ReindexResult = {
      activated: activate.map(one => one.url),
      deactivated: deactivate,
      resources: at.resources,
    };
    return result;
  };

/** The parameters in use, with those of the job being built, each once whatever was done before a crash. */
function announced(inUse: readonly Active[], generation: number, job: Job): readonly Active[] {
  const { activate, deactivate } = job.input as ReindexInput;
  if (inUse.some(one => one.job === job.id)) return inUse;
  const urls = new Set([...activate.map(one => one.url), ...deactivate]);
  const staying = inUse.filter(one => !urls.has(one.definition.url)).map(one => one.definition);
  activate.forEach((definition, i) =>
    judgeParameter(definition as unknown as Resource, [...staying, ...activate.filter((_, j) => j !== i)]),
  );
  for (const url of urls) {
    const user = staying.find(one => one.component?.some(component => component.definition === url));
    if (user !== undefined && inUse.some(one => one.definition.url === url))
      throw new FhirError('conflict', `${url} is a component of ${user.url}, which is in use: name both.`);
  }
  if (activate.length === 0 && !inUse.some(one => urls.has(one.definition.url))) return inUse;
  return [
    // A build that was left behind by an earlier job is given up with this one.
    ...inUse.map((one): Active =>
      urls.has(one.definition.url) && one.state === 'building' ? { ...one, state: 'retiring' } : one,
    ),
    ...activate.map((definition, i): Active => ({
      definition,
      number: generation * 1000 + i,
      state: 'building',
      job: job.id,
    })),
  ];
}

/** Makes the rows of all resources that the definitions apply to, from where it was left. */
async function indexed(
  running: Running,
  { store, rowsOf }: Pick<ReindexReach, 'store' | 'rowsOf'>,
  definitions: readonly Active[],
  from: Checkpoint,
  step: string,
  params: readonly string[] = definitions.map(rowName),
): Promise<Checkpoint> {
  const types = [...new Set(definitions.flatMap(one => typesOf(one.definition)))];
  if (types.length === 0) return from;
  const counts = await store.counts();
  const total = types.reduce((sum, type) => sum + (counts.get(type) ?? 0), 0);
  let at = from;
  for (;;) {
    const { done, next } = await store.indexSome({ types, after: at.after, count: portion, params }, rowsOf);
    const isFirst = at.step === 'index';
    at = {
      ...at,
      after: next ?? '',
      done: at.done + done,
      resources: at.resources + (isFirst ? done : 0),
    };
    if (next === undefined) return at;
    await running.checkpoint(at, { step, done: at.done, total: Math.max(total, at.done) });
    if (isFirst && running.job.cancelling) return at;
  }
}

// How a search is answered: it is run, its commands are noted, and MongoDB is asked to explain each.
// https://www.mongodb.com/docs/manual/reference/command/explain/
// Surprising: engines that speak MongoDB's protocol may not know `explain`; then the commands alone are told.
import type { Document } from 'mongodb';
import type { SearchPlan } from '../../search/plan.js';
import type { ExplainedStep, Explanation } from '../store.js';
import type { Asked, Reach } from './asking.js';
import { search } from './search.js';

export async function explain(reach: Reach, plan: SearchPlan): Promise<Explanation> {
  const heard: Asked[] = [];
  const started = performance.now();
  const { versions } = await search({ ...reach, hear: asked => heard.push(asked) }, plan);
  const milliseconds = performance.now() - started;
  const steps: ExplainedStep[] = [];
  for (const { command, returned, milliseconds: took } of heard)
    steps.push({
      asked: shortened(JSON.stringify(command)),
      times: 1,
      returned,
      milliseconds: took,
      ...(await toldOf(reach, command)),
    });
  return { found: versions.length, milliseconds, steps };
}

/** Lists of what a chain passes are long. */
const mostAsked = 4_000;
const shortened = (text: string): string => (text.length > mostAsked ? `${text.slice(0, mostAsked)}…` : text);

async function toldOf(
  { layout }: Reach,
  command: Document,
): Promise<Pick<ExplainedStep, 'plan' | 'indexes' | 'examined'>> {
  let told: Document;
  try {
    told = await layout.db.command({ explain: command, verbosity: 'executionStats' });
  } catch {
    return { plan: [], indexes: [] };
  }
  const plan: string[] = [];
  const indexes = new Set<string>();
  let examined: number | undefined;
  const walk = (value: unknown, depth: number): void => {
    if (Array.isArray(value)) for (const one of value) walk(one, depth);
    else if (typeof value === 'object' && value !== null) {
      const { stage, indexName, totalKeysExamined, totalDocsExamined } = value as Document;
      const isStage = typeof stage === 'string';
      if (isStage)
        plan.push(`${'  '.repeat(depth)}${stage}${typeof indexName === 'string' ? ` ${indexName}` : ''}`);
      if (typeof indexName === 'string') indexes.add(indexName);
      if (typeof totalKeysExamined === 'number' && typeof totalDocsExamined === 'number')
        examined = (examined ?? 0) + Math.max(totalKeysExamined, totalDocsExamined);
      for (const [name, inner] of Object.entries(value))
        if (name !== 'rejectedPlans' && name !== 'executionStages' && name !== 'allPlansExecution')
          walk(inner, isStage ? depth + 1 : depth);
    }
  };
  walk(told, 0);
  // DocumentDB tells its plan as lines of PostgreSQL's.
  for (const lines of Object.values((told['queryPlanner'] ?? {}) as Document)) {
    if (!Array.isArray(lines)) continue;
    for (const line of lines as unknown[]) {
      if (typeof line !== 'string') continue;
      plan.push(line);
      const index = /^\s*indexName: (\S+)/.exec(line)?.[1];
      if (index !== undefined) indexes.add(index);
      const loops = /^\s*innerScanLoops: (\d+)/.exec(line)?.[1];
      if (loops !== undefined) examined = (examined ?? 0) + Number(loops);
    }
  }
  return { plan, indexes: [...indexes], ...(examined === undefined ? {} : { examined }) };
}

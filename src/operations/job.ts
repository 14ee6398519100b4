// What has become of long work: the status address of https://hl7.org/fhir/R4/async.html. 202 with X-Progress while it
// goes on, 200 with what it came to, its failure where it failed; DELETE gives it up.
import { FhirError } from '../errors.js';
import { operationOutcome } from '../fhir/outcome.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import { isOver, type Job, type Progress } from '../jobs/queue.js';
import type { ReindexResult } from '../jobs/reindex.js';

/** Where a client asks about a job. */
export const jobUrl = (base: string, id: string): string => `${base}/$job/${id}`;

/** GET $job/[id] */
export const jobStatus: Handler = async context => {
  const job = await jobOf(context);
  const { request } = context;
  if (job.state === 'cancelled' || job.cancelling) throw new FhirError('not-found', 'The job was cancelled.');
  if (job.state === 'failed') {
    const { code = 'internal', message = '' } = job.failure ?? {};
    throw new FhirError(code, message);
  }
  if (job.state === 'done') {
    const { activated, deactivated, resources } = job.result as ReindexResult;
    return sendResource(
      { status: 200 },
      {
        resourceType: 'Parameters',
        parameter: [
          ...activated.map(url => ({ name: 'activated', valueCanonical: url })),
          ...deactivated.map(url => ({ name: 'deactivated', valueCanonical: url })),
          { name: 'resources', valueInteger: resources },
        ],
      },
      request,
    );
  }
  const text = progressText(job.progress);
  const response = sendResource(
    { status: 202 },
    operationOutcome([{ severity: 'information', code: 'informational', text }]),
    request,
  );
  return { ...response, headers: { ...response.headers, 'x-progress': text, 'retry-after': '1' } };
};

/** DELETE $job/[id] */
export const cancelJob: Handler = async context => {
  const job = await jobOf(context);
  if (isOver(job) || !(await context.jobs.queue.cancel(job.id)))
    throw new FhirError('not-found', 'The job is over.');
  context.jobs.wake();
  return { status: 202, headers: {} };
};

/** `indexing: 1200 of 5000 (24 %)` */
function progressText({ step, done, total }: Progress): string {
  if (total === undefined) return step;
  return `${step}: ${done} of ${total} (${total === 0 ? 100 : Math.floor((100 * done) / total)} %)`;
}

/** The caller's own job, or anybody's for who may change search parameters. */
async function jobOf({ id, jobs, grant }: Context): Promise<Job> {
  const job = await jobs.queue.get(id);
  if (job === undefined || (job.principal !== grant.principal && !grant.permits('update', 'SearchParameter')))
    throw new FhirError('not-found', 'There is no such job.');
  return job;
}

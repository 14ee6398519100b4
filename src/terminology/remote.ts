// Another terminology server, asked for what is not known here. Whatever goes wrong there is "not known", never an error.
// https://hl7.org/fhir/R4/terminology-service.html
import { isObject, parseJson, writeJson } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';

export interface Remote {
  /** The FHIR base of the other server. */
  readonly base: string;
  /** The answer of `Type/$operation`; undefined where there is none in time, or it is a refusal. */
  ask(operation: string, parameters: Resource, answer: string): Promise<Resource | undefined>;
}

export interface RemoteOptions {
  readonly base: string;
  /** ms */
  readonly timeLimit: number;
  /** Told why there was no answer. */
  readonly failed?: (message: string) => void;
}

/** Marks what one server asks another: it is not passed on, or two could ask each other without end. */
export const delegated = 'tsela-delegated';

const largest = 16 * 1024 * 1024;
/** After a failure it is left alone for so long (ms): a server that is down must not slow down every request. */
const restAfterFailure = 5000;

export function remoteTerminology({ base, timeLimit, failed }: RemoteOptions): Remote {
  let restsUntil = 0;
  return {
    base,
    async ask(operation, parameters, answer) {
      if (performance.now() < restsUntil) return undefined;
      try {
        const response = await fetch(`${base}/${operation}`, {
          method: 'POST',
          headers: {
            'content-type': 'application/fhir+json',
            accept: 'application/fhir+json',
            [delegated]: 'true',
          },
          body: writeJson(parameters),
          signal: AbortSignal.timeout(timeLimit),
          redirect: 'error',
        });
        if (!response.ok) {
          await response.body?.cancel();
          if (response.status >= 500) throw new Error(`it answered ${response.status}`);
          return undefined;
        }
        const resource = parseJson(await limited(response));
        return isObject(resource) && resource['resourceType'] === answer ? (resource as Resource) : undefined;
      } catch (error) {
        restsUntil = performance.now() + restAfterFailure;
        failed?.(`The terminology server ${base} did not answer: ${error instanceof Error ? error.message : String(error)}`); // prettier-ignore
        return undefined;
      }
    },
  };
}

/** The body, as long as it is of a size that can be meant. */
async function limited(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    size += bytes.length;
    if (size > largest) throw new Error('its answer is too large');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

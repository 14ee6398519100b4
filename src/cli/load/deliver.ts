// One request of `tsela load` until it is answered for good: sent again after lost connections and passing refusals,
// always under its Idempotency-Key; a refused transaction of the loader's own making is halved until the culprit is left.
// https://hl7.org/fhir/R4/http.html#Status-Codes, RFC 9110 section 10.2.3 (Retry-After)
import { setTimeout as wait } from 'node:timers/promises';
import { Problem, sentenceOf } from '../problem.js';
import type { LoadRequest, Requests } from './requests.js';
import type { Answer, Sender } from './sender.js';

export interface Failure {
  /** Path or address as given. */
  readonly source: string;
  /** `line 7, entry 3`, '' for a whole file. */
  readonly place: string;
  /** `Type/id` or `Type`; '' where unknown. */
  readonly what: string;
  /** HTTP status; 0 where nothing was sent or answered. */
  readonly status: number;
  /** What was wrong, in the server's words. */
  readonly message: string;
  /** FHIRPath of the element, where the server named one. */
  readonly expression?: string;
  /** Resources that were not stored because of it. */
  readonly resources: number;
}

/** A request refused as a whole: it may succeed once others have. */
export interface Refusal {
  readonly request: LoadRequest;
  readonly failure: Failure;
}

export interface Delivered {
  /** Resources the server has answered for. */
  readonly stored: number;
  /** Entries of a batch that failed. */
  readonly failures: readonly Failure[];
  readonly refused: readonly Refusal[];
}

export interface Persistence {
  /** How often a request is sent again at most. */
  readonly retries: number;
  /** Milliseconds before the first repetition; doubled each time. */
  readonly firstWait: number;
  readonly signal: AbortSignal;
}

/** Nobody answers any more: there is no use in going on. */
export class Unreachable extends Problem {}

const longestWait = 10_000;
const longestAskedFor = 120_000;
const passing = new Set([408, 409, 425, 429, 502, 503, 504]);
/** Refusals that may be about some of the resources and not about others. */
const partial = new Set([400, 404, 409, 410, 412, 413, 422]);

/** @throws Unreachable where the connection failed every time, AbortError where the signal came. */
export async function deliver(
  sender: Sender,
  request: LoadRequest,
  requests: Requests,
  how: Persistence,
): Promise<Delivered> {
  const answer = await persist(sender, request, how);
  const judged = judge(request, answer);
  if (judged.refused.length === 0 || !partial.has(answer.status)) return judged;
  const halves = requests.divide(request);
  if (halves.length === 0) return judged;
  const parts: Delivered[] = [];
  for (const half of halves) parts.push(await deliver(sender, half, requests, how));
  return {
    stored: parts.reduce((sum, part) => sum + part.stored, 0),
    failures: parts.flatMap(part => part.failures),
    refused: parts.flatMap(part => part.refused),
  };
}

async function persist(sender: Sender, request: LoadRequest, how: Persistence): Promise<Answer> {
  const { method, path, body, key } = request;
  const headers = {
    'content-type': 'application/fhir+json',
    accept: 'application/fhir+json',
    prefer: 'return=minimal',
    'idempotency-key': key,
  };
  for (let attempt = 0; ; attempt++) {
    const last = attempt >= how.retries;
    let asked: number | undefined;
    try {
      const answer = await sender.send({ method, path, headers, body });
      if (last || !passing.has(answer.status)) return answer;
      asked = retryAfter(answer.headers['retry-after']);
    } catch (error) {
      if (last) {
        throw new Unreachable(
          `${sender.base} does not answer: ${sentenceOf(error)}`,
          'Once it does, run the same command again: it goes on where it stopped.',
          { cause: error },
        );
      }
    }
    const backoff = Math.min(longestWait, how.firstWait * 2 ** attempt) * (0.5 + Math.random() / 2);
    await wait(Math.max(asked ?? 0, asked === undefined ? backoff : 0), undefined, { signal: how.signal });
  }
}

/** Milliseconds from a Retry-After header in seconds or as a date. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(longestAskedFor, Math.max(0, ms));
}

interface ReadIssue {
  readonly message: string;
  readonly expression?: string;
}

function judge(request: LoadRequest, answer: Answer): Delivered {
  const { items, source } = request;
  if (answer.status < 200 || answer.status >= 300) {
    const issue = firstIssue(parsed(answer.body), answer);
    // A transaction names the entry that made it fail; `at` is it, where the items are the bundle's entries.
    const index =
      request.path === '' ? /^Bundle\.entry\[(\d+)\]/.exec(issue.expression ?? '')?.[1] : undefined;
    const at = items.length === 1 ? items[0] : index === undefined ? undefined : items[Number(index)];
    const failure = {
      source: source.label,
      place: at?.place ?? (request.divisible ? (items[0]?.place ?? '') : ''),
      what: at?.what ?? '',
      status: answer.status,
      ...issue,
      resources: items.length,
    };
    return { stored: 0, failures: [], refused: [{ request, failure }] };
  }
  if (request.path !== '') return { stored: 1, failures: [], refused: [] };

  // An empty answer is what return=minimal asks for; a Bundle tells entry by entry.
  const bundle = parsed(answer.body);
  const entries = arrayOf(bundle, 'entry');
  if (entries === undefined) return { stored: items.length, failures: [], refused: [] };
  const failures: Failure[] = [];
  let stored = 0;
  for (const [i, item] of items.entries()) {
    const response = propertyOf(entries[i], 'response');
    const status = statusOf(propertyOf(response, 'status'));
    if (status >= 200 && status < 300) {
      stored++;
      continue;
    }
    const issue = response
      ? firstIssue(propertyOf(response, 'outcome'), { status })
      : { message: 'The answer has no entry for it.' };
    failures.push({ source: source.label, ...item, status, ...issue, resources: 1 });
  }
  return { stored, failures, refused: [] };
}

/** `201 Created` → 201 */
const statusOf = (text: unknown): number => (typeof text === 'string' ? Number.parseInt(text, 10) || 0 : 0);

function firstIssue(outcome: unknown, { status, body }: { status: number; body?: string }): ReadIssue {
  const issues = arrayOf(outcome, 'issue') ?? [];
  const severe =
    issues.find(issue => ['fatal', 'error'].includes(String(propertyOf(issue, 'severity')))) ?? issues[0];
  const text =
    propertyOf(propertyOf(severe, 'details'), 'text') ??
    propertyOf(severe, 'diagnostics') ??
    propertyOf(severe, 'code');
  const expression = arrayOf(severe, 'expression')?.[0];
  const said = typeof text === 'string' ? text : (body ?? '').slice(0, 200).replace(/\s+/g, ' ').trim();
  return {
    message: said === '' ? `The server answered ${status} without saying why.` : said,
    ...(typeof expression === 'string' ? { expression } : {}),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function propertyOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function arrayOf(value: unknown, name: string): unknown[] | undefined {
  const found = propertyOf(value, name);
  return Array.isArray(found) ? found : undefined;
}

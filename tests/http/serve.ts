// A listening server around a dispatch the test gives, and a bare socket for what fetch would never send.
import { connect, type Socket } from 'node:net';
import { silentLog, type Fields, type Log } from '../../src/audit/log.js';
import { createMetrics } from '../../src/audit/metrics.js';
import { OPEN } from '../../src/auth/grant.js';
import { defaultConfig, type Config } from '../../src/config.js';
import { createHttp, type Listening } from '../../src/http/http.js';
import type { FhirRequest, FhirResponse } from '../../src/interactions/exchange.js';

export type Dispatch = (request: FhirRequest) => Promise<FhirResponse>;

export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Fields;
  readonly message: string;
}

export interface Served extends Listening {
  readonly fhir: string;
  /** Every request that reached dispatch. */
  readonly requests: FhirRequest[];
  readonly lines: Line[];
}

const ok: Dispatch = async () => ({
  status: 200,
  headers: { 'content-type': 'application/fhir+json; charset=utf-8' },
  body: '{"resourceType":"Basic"}',
  interaction: 'read',
});

export async function serve(
  dispatch: Dispatch = ok,
  more: Partial<Config> & { ready?: () => Promise<void> } = {},
): Promise<Served> {
  const { ready = async () => {}, ...changed } = more;
  const requests: FhirRequest[] = [];
  const lines: Line[] = [];
  const keep =
    (level: Line['level']) =>
    (fields: Fields, message: string): void =>
      void lines.push({ level, fields, message });
  const log: Log = { ...silentLog, info: keep('info'), warn: keep('warn'), error: keep('error') };
  const http = createHttp({
    dispatch(request) {
      requests.push(request);
      return dispatch(request);
    },
    authenticate: () => OPEN,
    config: { ...defaultConfig, ...changed },
    log,
    metrics: createMetrics(),
    ready,
  });
  const listening = await http.listen(0, '127.0.0.1');
  return {
    ...listening,
    fhir: `${listening.url}/fhir`,
    requests,
    lines,
  };
}

/** Sends the text as it is and answers all that comes back until the server closes the connection. */
export async function rawExchange(port: number, text: string): Promise<string> {
  const socket = await rawSocket(port);
  socket.write(text);
  return everything(socket);
}

export const rawSocket = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });

export const everything = (socket: Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('end', () => resolve(text)).on('error', reject);
  });

/** A promise and the means to settle it from outside. */
export function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>(settle => (resolve = settle));
  return { promise, resolve };
}

export interface Outcome {
  readonly resourceType: string;
  readonly issue: readonly { readonly code: string; readonly details: { readonly text: string } }[];
}

/** The body as an OperationOutcome. @throws where it is none */
export async function outcomeIn(response: Response): Promise<Outcome> {
  const outcome = (await response.json()) as Outcome;
  if (outcome.resourceType !== 'OperationOutcome')
    throw new Error(`not an OperationOutcome: ${outcome.resourceType}`);
  return outcome;
}

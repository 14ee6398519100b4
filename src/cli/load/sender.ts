// How requests reach Tsela: over HTTP to a running server, or in this process through the same dispatch. There is no
// third way: whatever is loaded passes the gate, the guard and commit.
import { randomUUID } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { System } from '../../system.js';
import { Problem } from '../problem.js';

export interface Wire {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Below the FHIR base, without a leading slash; '' is the base itself. */
  readonly path: string;
  readonly query?: readonly (readonly [name: string, value: string])[];
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

export interface Sender {
  /** The FHIR base, for messages and for telling own links apart. */
  readonly base: string;
  /** Rejects where no answer came: the connection failed, broke or was silent too long. */
  send(wire: Wire): Promise<Answer>;
  close(): Promise<void>;
}

/** A bundle of thousands of entries on a slow disk takes its time; a server that is gone shows sooner. */
const silence = 10 * 60_000;

/** @throws Problem where `url` is not an http(s) address. */
export function overHttp(
  url: string,
  headers: Readonly<Record<string, string>>,
  connections: number,
): Sender {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new Problem(
      `--url ${url} is not an http or https address.`,
      'For example --url http://127.0.0.1:8080/fhir',
    );
  }
  const parsed = new URL(url);
  const secure = parsed.protocol === 'https:';
  const settings = { keepAlive: true, maxSockets: connections };
  const agent = secure ? new HttpsAgent(settings) : new HttpAgent(settings);
  const base = `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`;
  const open = secure ? httpsRequest : httpRequest;

  return {
    base,
    send: ({ method, path, query = [], headers: own, body }) =>
      new Promise<Answer>((resolve, reject) => {
        const search = new URLSearchParams(
          query.map(([name, value]): [string, string] => [name, value]),
        ).toString();
        const target = `${base}${path === '' ? '' : `/${path}`}${search === '' ? '' : `?${search}`}`;
        const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
        const request = open(
          target,
          { agent, method, headers: { ...headers, ...own, ...length } },
          response => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('error', reject);
            response.on('aborted', () => reject(new Error('the connection broke within the answer')));
            response.on('end', () => {
              const named = Object.entries(response.headers).map(
                ([name, value]) => [name, String(value)] as const,
              );
              resolve({
                status: response.statusCode ?? 0,
                headers: Object.fromEntries(named),
                body: Buffer.concat(chunks).toString(),
              });
            });
          },
        );
        request.setTimeout(silence, () =>
          request.destroy(new Error(`no answer within ${silence / 60_000} minutes`)),
        );
        request.on('error', reject);
        request.end(body);
      }),
    close: () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

/** Requests go to `system.dispatch`; closing the sender closes the system. */
export async function inProcess(system: System, base: string): Promise<Sender> {
  // The grant of open mode: what was loaded through an open server is known by its keys here, and the other way round.
  const { OPEN } = await import('../../auth/grant.js');
  return {
    base,
    async send({ method, path, query = [], headers, body }) {
      const response = await system.dispatch(
        {
          method,
          path: path === '' ? [] : path.split('/'),
          query,
          headers,
          ...(body === undefined ? {} : { body: typeof body === 'string' ? Buffer.from(body) : body }),
          base,
          id: randomUUID(),
        },
        OPEN,
      );
      const bytes = response.body ?? '';
      return {
        status: response.status,
        headers: response.headers,
        body: typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString(),
      };
    },
    close: () => system.close(),
  };
}

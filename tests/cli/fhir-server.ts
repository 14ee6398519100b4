// A tiny FHIR-like server on a real socket that records what it is sent and misbehaves on demand. It keeps the promise
// the loader builds on: a known Idempotency-Key gets its first answer again and does nothing twice.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly key: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** `drop`: the request is carried out, but the connection breaks before the answer. */
export type Behaviour = (request: Received, nth: number) => Reply | 'drop' | undefined;

export interface FhirServer {
  readonly url: string;
  readonly received: Received[];
  /** What was carried out: every resource body, once per key. */
  readonly stored: { type: string; id: string | undefined; text: string }[];
  /** Most requests there were at one time. */
  most: number;
  /** Requests wait until so many are there. */
  together: number;
  behave: Behaviour;
  close(): Promise<void>;
}

export const outcome = (text: string, expression?: string): unknown => ({
  resourceType: 'OperationOutcome',
  issue: [
    {
      severity: 'error',
      code: 'invalid',
      details: { text },
      ...(expression ? { expression: [expression] } : {}),
    },
  ],
});

interface Entry {
  resource?: { resourceType: string; id?: string };
  request: { method: string; url: string };
}

export async function listen(): Promise<FhirServer> {
  const receipts = new Map<string, Reply>();
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let underWay = 0;

  const store = (resource: { resourceType: string; id?: string }): void => {
    server.stored.push({ type: resource.resourceType, id: resource.id, text: JSON.stringify(resource) });
  };
  const carryOut = ({ method, path, body }: Received): Reply => {
    if (method === 'GET') return { status: 200, body: { resourceType: 'CapabilityStatement' } };
    const resource = JSON.parse(body) as {
      resourceType: string;
      id?: string;
      type?: string;
      entry?: Entry[];
    };
    if (path !== '/fhir') {
      store(resource);
      return { status: 201 };
    }
    const entries = resource.entry ?? [];
    for (const { resource: one } of entries) if (one) store(one);
    const answers = entries.map(() => ({ response: { status: '201 Created' } }));
    return {
      status: 200,
      body: { resourceType: 'Bundle', type: `${resource.type}-response`, entry: answers },
    };
  };
  const answer = (request: IncomingMessage, response: ServerResponse, body: string): void => {
    const { method = '', url = '', headers } = request;
    const received = { method, path: url, key: String(headers['idempotency-key'] ?? ''), headers, body };
    if (method !== 'GET') server.received.push(received);
    const wanted = method === 'GET' ? undefined : server.behave(received, server.received.length);
    let reply = receipts.get(received.key) ?? (typeof wanted === 'object' ? wanted : undefined);
    if (!reply) {
      reply = carryOut(received);
      if (received.key !== '') receipts.set(received.key, reply);
    }
    if (wanted === 'drop') return void request.socket.destroy();
    response.writeHead(reply.status, { 'content-type': 'application/fhir+json', ...reply.headers });
    response.end(reply.body === undefined ? '' : JSON.stringify(reply.body));
  };

  const http = createServer((request, response) => {
    server.most = Math.max(server.most, ++underWay);
    response.on('close', () => underWay--);
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      if (request.method === 'GET') return answer(request, response, body);
      waiting.push(() => answer(request, response, body));
      if (waiting.length >= server.together) for (const each of waiting.splice(0)) each();
    });
  });
  http.on('connection', socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve));
  const server: FhirServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/fhir`,
    received: [],
    stored: [],
    most: 0,
    together: 1,
    behave: () => undefined,
    close: () =>
      new Promise(resolve => {
        http.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return server;
}

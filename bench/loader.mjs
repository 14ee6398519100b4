// The load generator: keep-alive connections on plain sockets, because a client that costs more than the server would
// measure itself. Closed: each connection asks again once answered. Open: requests start on a clock, whether or not the
// server keeps up, so that a stall meets as many requests as it would in life.
import { connect } from 'node:net';
import { setPriority } from 'node:os';
import { answering } from './children.mjs';

const requestOf = ({ method = 'GET', url, body, headers = {} }) => {
  const all = { host: 'localhost', accept: 'application/fhir+json', ...headers };
  if (body !== undefined) {
    all['content-type'] ??= 'application/fhir+json';
    all['content-length'] = body.length;
  }
  const lines = [
    `${method} ${url} HTTP/1.1`,
    ...Object.entries(all).map(([name, value]) => `${name}: ${value}`),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  return body === undefined ? head : Buffer.concat([head, Buffer.from(body)]);
};

const endOfHead = Buffer.from('\r\n\r\n');

/** One connection; `ask` resolves with the status and, where `keep` is set, the body. */
function connection(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let current;
  let chunks = [];
  let status = 0;
  let missing = -1; // bytes of the body still to come; -1: the head is not complete
  const done = () => {
    const { resolve, keep } = current;
    const body = keep ? Buffer.concat(chunks) : undefined;
    current = undefined;
    chunks = [];
    missing = -1;
    resolve({ status, body });
  };
  socket.on('data', chunk => {
    if (missing < 0) {
      const all = chunks.length === 0 ? chunk : Buffer.concat([...chunks, chunk]);
      const end = all.indexOf(endOfHead);
      if (end < 0) return void (chunks = [all]);
      const head = all.latin1Slice(0, end);
      status = Number(head.slice(9, 12));
      const length = /\r\ncontent-length: (\d+)/i.exec(head);
      if (length === null && status !== 204 && status !== 304) throw new Error(`no content-length: ${head}`);
      chunk = all.subarray(end + 4);
      missing = length === null ? 0 : Number(length[1]);
      chunks = [];
    }
    missing -= chunk.length;
    if (current.keep) chunks.push(chunk);
    if (missing === 0) done();
  });
  const fail = error => current?.reject(error ?? new Error('the server closed the connection'));
  socket.on('error', fail).on('close', () => fail());
  return {
    ready: new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject)),
    ask: (bytes, keep = false) =>
      new Promise((resolve, reject) => {
        current = { resolve, reject, keep };
        socket.write(bytes);
      }),
    close: () => socket.removeAllListeners('close').destroy(),
  };
}

async function connections(port, many) {
  const all = Array.from({ length: many }, () => connection(port));
  await Promise.all(all.map(one => one.ready));
  return all;
}

let held = [];

/**
 * Sends every request, or those that are held, or goes round them for `seconds`; answers when it began (ms since 1970),
 * counts by status and the latencies in ms.
 */
async function closed({ port, concurrency, requests, seconds, keep }) {
  const bytes = requests?.map(requestOf) ?? held;
  const all = await connections(port, concurrency);
  const milliseconds = [];
  const statuses = {};
  const bodies = keep ? new Array(requests.length) : undefined;
  const cpu = process.cpuUsage();
  const started = performance.now();
  const end = seconds === undefined ? Infinity : started + seconds * 1000;
  let next = 0;
  await Promise.all(
    all.map(async one => {
      while (seconds === undefined ? next < bytes.length : performance.now() < end) {
        const i = next++ % bytes.length;
        const asked = performance.now();
        const { status, body } = await one.ask(bytes[i], keep);
        milliseconds.push(performance.now() - asked);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (keep) bodies[i] = body;
      }
    }),
  );
  const took = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  for (const one of all) one.close();
  return {
    began: performance.timeOrigin + started,
    count: milliseconds.length,
    seconds: took,
    statuses,
    milliseconds,
    bodies,
    busy: (used.user + used.system) / 1e6 / took,
  };
}

let stopping = false;

/** Where this is allowed: on a machine with few cores the loader's own waiting for one would count as the server's. */
function takePrecedence() {
  try {
    setPriority(-10);
  } catch {
    // Without the right to it the figures are a little worse.
  }
}

/** `rate` requests a second until `stop`; of each the moment it was sent (ms since 1970) and its latency in ms. */
async function open({ port, rate, requests }) {
  takePrecedence();
  const bytes = requests.map(requestOf);
  const free = await connections(port, 16);
  const running = new Set();
  stopping = false;
  const latencies = [];
  const started = performance.now();
  let count = 0;
  while (!stopping) {
    const wait = started + (count / rate) * 1000 - performance.now();
    if (wait > 0) {
      await new Promise(resolve => setTimeout(resolve, wait));
      continue;
    }
    const i = count++ % bytes.length;
    const work = (async () => {
      const sent = performance.now();
      const one = free.pop() ?? (await connections(port, 1))[0];
      const { status } = await one.ask(bytes[i]);
      if (status !== 200) throw new Error(`status ${status}`);
      free.push(one);
      latencies.push([performance.timeOrigin + sent, performance.now() - sent]);
    })();
    running.add(work);
    void work.finally(() => running.delete(work));
  }
  await Promise.all(running);
  for (const one of free) one.close();
  return latencies;
}

let opened;
answering({
  closed,
  /** For later: a body of megabytes takes time to come here, which is not to be taken for the server's. */
  hold({ requests }) {
    held = requests.map(requestOf);
  },
  open(options) {
    opened = open(options);
  },
  stop() {
    stopping = true;
    return opened;
  },
});

// Everything measured runs in a process of its own: a server, the loader, a bare database. They answer messages over
// IPC; CPU is each process's own, all its threads included, so that the loader never counts as the server.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = fileURLToPath(new URL('.', import.meta.url));
export const project = join(bench, '..');

/** In the child: answers each message by the function of its name, which may be async. */
export function answering(functions) {
  const all = { usage: () => ({ cpu: process.cpuUsage(), memory: process.memoryUsage.rss() }), ...functions };
  process.on('message', async ({ call, args, number }) => {
    try {
      process.send({ number, result: await all[call](...args) });
    } catch (error) {
      process.send({ number, failure: error.stack ?? String(error) });
    }
  });
  process.on('disconnect', () => process.exit());
  process.send({ started: true });
}

/** In the parent: starts `bench/<script>`; its output goes to `output` or nowhere. */
export async function child(script, { env = {}, output, flags = [] } = {}) {
  const sink = output === undefined ? 'ignore' : openSync(output, 'a');
  const process_ = fork(join(bench, script), [], {
    env: { ...process.env, ...env },
    execArgv: flags,
    serialization: 'advanced',
    stdio: ['ignore', sink, 'inherit', 'ipc'],
  });
  const waiting = new Map();
  let number = 0;
  let failed;
  process_.on('exit', (code, signal) => {
    failed = new Error(`${script} ended (${signal ?? code})`);
    for (const { reject } of waiting.values()) reject(failed);
    waiting.clear();
  });
  await new Promise((resolve, reject) => {
    process_.once('exit', () => reject(failed));
    process_.on('message', message => {
      if (message.started) return resolve();
      const one = waiting.get(message.number);
      waiting.delete(message.number);
      if (message.failure === undefined) one.resolve(message.result);
      else one.reject(new Error(`${script}: ${message.failure}`));
    });
  });
  const call = (name, ...args) =>
    new Promise((resolve, reject) => {
      if (failed) return reject(failed);
      waiting.set(++number, { resolve, reject });
      process_.send({ call: name, args, number });
    });
  return {
    pid: process_.pid,
    call,
    /** What `work` answers, with the CPU seconds this child spent meanwhile. */
    async during(work) {
      const before = (await call('usage')).cpu;
      const started = performance.now();
      const result = await work();
      const seconds = (performance.now() - started) / 1000;
      const after = (await call('usage')).cpu;
      return { result, seconds, cpu: (after.user + after.system - before.user - before.system) / 1e6 };
    },
    async stop() {
      if (failed) return;
      const ended = once(process_, 'exit');
      if (waiting.size === 0) process_.disconnect();
      else process_.kill();
      await ended;
    },
  };
}

/** A Tsela server on an empty or given data folder; `mongo` is a database name where MongoDB is to be measured. */
export async function tsela(folder, { mongo, flags, open = true, env = {} } = {}) {
  const server = await child('server.mjs', { output: join(folder, 'server.log'), flags });
  const port = await server.call('listen', { data: join(folder, 'data'), mongo, open, env });
  return {
    ...server,
    port,
    async stop() {
      await server.call('close');
      await server.stop();
    },
  };
}

/** Runs a command until `ready` answers something; then that, with its pid, and a stop that waits for its end. */
export async function command(file, args, env, ready) {
  const started = performance.now();
  const process_ = spawn(file, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(process_, 'exit');
  const early = ended.then(([code]) => {
    throw new Error(`${args.join(' ')} ended with ${code} before it answered`);
  });
  const result = await Promise.race([ready(started), early]);
  early.catch(() => {});
  const status = existing(`/proc/${process_.pid}/status`);
  const kilobytes = name => Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1] ?? NaN);
  process_.kill();
  await ended;
  return { ...result, rss: kilobytes('VmRSS') / 1024, peak: kilobytes('VmHWM') / 1024 };
}

const existing = path => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

// Giving way, seen from outside: a thread at work stands still now and then while the main one is asked, and only then.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { asksForMain, giveWay, hasFewProcessors } from '../src/give-way.js';

const reason =
  process.platform !== 'linux'
    ? 'Linux alone counts how often a thread stood still'
    : hasFewProcessors
      ? undefined
      : 'with more than two processors nobody has to give way';

/** Works for 80 ms at a time, whenever it is told to; answers how often it stood still. */
const atWork = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { readFileSync } = require('node:fs');
  const switches = () => Number(/^voluntary_ctxt_switches:\\s*(\\d+)/m.exec(readFileSync('/proc/thread-self/status', 'utf8'))[1]);
  import(workerData).then(({ giveWay }) => parentPort.on('message', () => {
    const before = switches();
    for (const start = performance.now(); performance.now() - start < 80; ) giveWay();
    parentPort.postMessage(switches() - before);
  }));
`;

it.skipIf(reason !== undefined)(`is for those who are asked${reason ? ` (${reason})` : ''}`, async () => {
  const worker = new Worker(atWork, {
    eval: true,
    workerData: new URL('../dist/give-way.js', import.meta.url).href,
  });
  const work = async (): Promise<number> => {
    worker.postMessage('work');
    const [times] = (await once(worker, 'message')) as [number];
    return times;
  };
  expect(await work()).toBeLessThan(10);
  asksForMain();
  expect(await work()).toBeGreaterThan(20);
  // The next 80 ms may still belong to the request; those after it do not.
  await work();
  expect(await work()).toBeLessThan(10);
  await worker.terminate();
});

it.skipIf(reason !== undefined)(`is not for the main thread${reason ? ` (${reason})` : ''}`, () => {
  const status = (): string => readFileSync('/proc/thread-self/status', 'utf8');
  const switches = (): number => Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status())![1]);
  asksForMain();
  const before = switches();
  for (const start = performance.now(); performance.now() - start < 80;) giveWay();
  expect(switches() - before).toBeLessThan(10);
});

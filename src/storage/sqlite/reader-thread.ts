// The thread for questions that take longer than a page read: several at a time, a step of each in turn, every one on
// a connection of its own. Between steps its time is checked, for a running statement cannot be interrupted.
import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { FhirError } from '../../errors.js';
import { OutOfTime } from './clock.js';
import { connect, type Connection, type ConnectionOptions } from './connection.js';
import { tell, type Told } from './failure.js';
import type { Steps } from './query.js';
import { answer, type Answered, type Question } from './reader.js';

export type ToReader =
  | {
      readonly what: 'ask';
      readonly id: number;
      readonly question: Question;
      readonly budgetMs: number;
      /** Reading an index in order was tried, in vain. */
      readonly isLong: boolean;
    }
  | { readonly what: 'forget' }
  | { readonly what: 'close' };
export interface FromReader {
  readonly id: number;
  readonly result?: Answered;
  readonly failed?: Told;
}

const atATime = 4;
/** A statement that runs longer keeps the others waiting, and is no step of a search that could end in time. */
const mostStatementMs = 5_000;
const port = parentPort as MessagePort;
const options = workerData as ConnectionOptions;

interface Running {
  readonly id: number;
  readonly steps: Steps<Answered>;
  readonly connection: Connection;
  readonly budgetMs: number;
  readonly deadline: number;
}
const idle: Connection[] = [];
const running: Running[] = [];
const waiting: Extract<ToReader, { what: 'ask' }>[] = [];
let stale = 0;
let turning = false;
let closing = false;

function start({ id, question, budgetMs, isLong }: Extract<ToReader, { what: 'ask' }>): void {
  const connection = idle.pop() ?? connect({ ...options, keepsSets: true });
  running.push({
    id,
    connection,
    steps: answer(
      isLong ? { ...connection, limits: { ...connection.limits, probe: 0 } } : connection,
      question,
    ),
    budgetMs,
    deadline: performance.now() + budgetMs,
  });
}

function end(one: Running, message: FromReader): void {
  running.splice(running.indexOf(one), 1);
  if (stale > 0) one.connection.dictionary.forget();
  idle.push(one.connection);
  port.postMessage(message);
}

const tooLong = ({ budgetMs }: Running): FhirError =>
  new FhirError(
    'too-costly-search',
    `The search took longer than ${budgetMs / 1000} seconds; narrow it with a further parameter.`,
  );

const tooMuch = (cause: OutOfTime): FhirError =>
  new FhirError(
    'too-costly-search',
    'The search has too much to look at for each resource; narrow it with a further parameter.',
    { cause },
  );

/** A step of every question. */
function turn(): void {
  while (running.length < atATime && waiting.length > 0) start(waiting.shift()!);
  for (const one of [...running]) {
    try {
      one.connection.clock.until = Math.min(one.deadline, performance.now() + mostStatementMs);
      const step = one.steps.next();
      if (step.done) end(one, { id: one.id, result: step.value });
      else if (performance.now() > one.deadline) {
        one.steps.return(0);
        end(one, { id: one.id, failed: tell(tooLong(one)) });
      }
    } catch (error) {
      end(one, { id: one.id, failed: tell(error instanceof OutOfTime ? tooMuch(error) : error) });
    }
  }
  if (running.length > 0 || waiting.length > 0) setImmediate(turn);
  else {
    turning = false;
    if (closing) close();
  }
}

function close(): void {
  for (const connection of idle) connection.db.close();
  port.close();
}

port.on('message', (message: ToReader) => {
  if (message.what === 'ask') waiting.push(message);
  else if (message.what === 'forget') {
    stale++;
    for (const connection of idle) connection.dictionary.forget();
    return;
  } else closing = true;
  if (!turning) {
    turning = true;
    turn();
  }
});

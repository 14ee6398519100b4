// A worker thread asked by message: every request has a number and is answered once, or fails with the thread.
import { Worker } from 'node:worker_threads';
import { FhirError } from '../../errors.js';
import { told, type Told } from './failure.js';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}
interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly failed?: Told;
}

export class Thread {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private next = 1;
  private readonly ended: Promise<void>;
  private broken: Error | undefined;

  constructor(file: URL, workerData: unknown) {
    this.worker = new Worker(file, { workerData });
    this.worker.on('message', (reply: Reply) => this.settle(reply));
    this.worker.on('error', error => this.fail(error));
    this.ended = new Promise(resolve => {
      this.worker.on('exit', () => {
        this.fail(new Error('A thread of the store ended.'));
        resolve();
      });
    });
  }

  /** Sends a message with a number of its own. */
  ask<T>(message: object): Promise<T> {
    if (this.broken !== undefined) return Promise.reject(unavailable(this.broken));
    const id = this.next++;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve, reject });
      this.worker.postMessage({ ...message, id });
    });
  }
  tell(message: object): void {
    this.worker.postMessage(message);
  }
  /** Asks it to close and waits until it has. */
  async close(): Promise<void> {
    this.worker.postMessage({ what: 'close', id: 0 });
    await this.ended;
  }

  private settle({ id, result, failed }: Reply): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (failed !== undefined) waiting?.reject(told(failed));
    else waiting?.resolve(result);
  }
  private fail(error: Error): void {
    this.broken ??= error;
    for (const waiting of this.waiting.values()) waiting.reject(unavailable(error));
    this.waiting.clear();
  }
}

const unavailable = (cause: Error): FhirError =>
  new FhirError('unavailable', 'The store has stopped.', { cause });

// How many rows of an index a step reads: grown and shrunk so that a step takes a few milliseconds.
import type { Connection } from './connection.js';

const largest = 16_384;

export class Window {
  private readonly stepMs: number;
  private readonly smallest: number;
  constructor(
    connection: Connection,
    public size: number,
  ) {
    this.stepMs = connection.limits.stepMs;
    this.smallest = Math.min(size, 16);
  }
  measure<T>(work: () => T): T {
    const started = performance.now();
    const result = work();
    const took = performance.now() - started;
    if (took < this.stepMs / 3) this.size = Math.min(this.size * 4, largest);
    else if (took > this.stepMs) this.size = Math.max(this.size >> 1, this.smallest);
    return result;
  }
}

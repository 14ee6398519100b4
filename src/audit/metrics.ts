// Figures for Prometheus: requests by interaction and status, the event loop, memory, and what the store tells.
// https://prometheus.io/docs/practices/naming/
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** Counts an answered request; `milliseconds` from its first line to the end of its answer. */
  request(interaction: string, status: number, milliseconds: number): void;
  /** A figure read when somebody asks for the metrics; one that cannot be read then is left out. */
  gauge(name: string, help: string, read: () => Figure | Promise<Figure>, options?: GaugeOptions): void;
  /** A counter to be raised by whoever made it. */
  counter(name: string, help: string): (by?: number) => void;
  /** The text a scrape gets, and its media type. */
  readonly contentType: string;
  text(): Promise<string>;
}

export interface GaugeOptions {
  /** The label of the figures where `read` answers a map. */
  readonly label?: string;
  /** How many milliseconds a figure that is dear to read is told again. */
  readonly keepFor?: number;
}

export type Figure = number | ReadonlyMap<string, number>;

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const durations = new Histogram({
    name: 'tsela_request_duration_seconds',
    help: 'Time to answer a request, by interaction and status.',
    labelNames: ['interaction', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [registry],
  });
  // Labels are bound once per pair: there are few interactions and few statuses.
  type Bound = { observe(seconds: number): void };
  const bound = new Map<string, Map<number, Bound>>();
  return {
    request(interaction, status, milliseconds) {
      let byStatus = bound.get(interaction);
      if (byStatus === undefined) bound.set(interaction, (byStatus = new Map<number, Bound>()));
      let histogram = byStatus.get(status);
      if (histogram === undefined)
        byStatus.set(status, (histogram = durations.labels(interaction, String(status))));
      histogram.observe(milliseconds / 1000);
    },
    gauge(name, help, read, { label, keepFor = 0 } = {}) {
      let readAt = -Infinity;
      new Gauge({
        name,
        help,
        labelNames: label === undefined ? [] : [label],
        registers: [registry],
        async collect() {
          if (performance.now() - readAt < keepFor) return;
          this.reset();
          try {
            const figure = await read();
            if (typeof figure === 'number') this.set(figure);
            else for (const [value, count] of figure) this.set({ [label ?? 'name']: value }, count);
            readAt = performance.now();
          } catch {
            this.remove(); // a scrape tells what it can; readiness tells that the store does not answer
          }
        },
      });
    },
    counter(name, help) {
      const counter = new Counter({ name, help, registers: [registry] });
      return by => counter.inc(by ?? 1);
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}

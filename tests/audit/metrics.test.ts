// Figures in Prometheus' text format. https://prometheus.io/docs/instrumenting/exposition_formats/
import { expect, it } from 'vitest';
import { createMetrics } from '../../src/audit/metrics.js';

it('counts requests and their time by interaction and status', async () => {
  const metrics = createMetrics();
  metrics.request('read', 200, 2);
  metrics.request('read', 200, 20);
  metrics.request('read', 404, 1);
  const text = await metrics.text();
  expect(text).toContain('tsela_request_duration_seconds_count{interaction="read",status="200"} 2');
  expect(text).toContain('tsela_request_duration_seconds_sum{interaction="read",status="200"} 0.022');
  expect(text).toContain(
    'tsela_request_duration_seconds_bucket{le="0.0025",interaction="read",status="200"} 1',
  );
  expect(text).toContain('tsela_request_duration_seconds_count{interaction="read",status="404"} 1');
});

it('reads figures when asked, with or without a label, and forgets labels that are gone', async () => {
  const metrics = createMetrics();
  let figures = new Map([['a', 1], ['b', 2]]); // prettier-ignore
  metrics.gauge('tsela_one', 'One figure.', () => 7);
  metrics.gauge('tsela_many', 'Many figures.', async () => figures, { label: 'kind' });
  expect(await metrics.text()).toMatch(
    /tsela_one 7\n[^]*tsela_many\{kind="a"\} 1\ntsela_many\{kind="b"\} 2\n/,
  );
  figures = new Map([['b', 3]]);
  const text = await metrics.text();
  expect(text).toContain('tsela_many{kind="b"} 3');
  expect(text).not.toContain('kind="a"');
});

it('leaves out a figure that cannot be read, and asks for a dear one seldom', async () => {
  const metrics = createMetrics();
  let isBroken = true;
  let asked = 0;
  metrics.gauge('tsela_broken', 'A figure.', async () => {
    if (isBroken) throw new Error('no store');
    return 3;
  });
  metrics.gauge('tsela_dear', 'A figure.', () => ++asked, { keepFor: 3_600_000 });
  expect(await metrics.text()).not.toMatch(/^tsela_broken/m);
  isBroken = false;
  const text = await metrics.text();
  expect(text).toMatch(/^tsela_broken 3$/m);
  expect(text).toMatch(/^tsela_dear 1$/m);
});

it('has counters', async () => {
  const metrics = createMetrics();
  const raise = metrics.counter('tsela_things_total', 'Things.');
  raise();
  raise(4);
  expect(await metrics.text()).toContain('tsela_things_total 5');
});

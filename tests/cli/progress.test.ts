// What a long command shows while it runs.
import { describe, expect, test } from 'vitest';
import { clock, progressLine, rate } from '../../src/cli/progress.js';

describe('the progress line', () => {
  const tally = { done: 1234, failures: 0, bytes: 250 };

  test('has a bar, a share, a rate and the time left', () => {
    expect(progressLine(tally, 'resources', 1000, 10_000, true)).toBe(
      '[######··················]  25 %  1,234 resources  123/s  0:30 left',
    );
  });

  test('is plain text off a terminal, and tells failures', () => {
    expect(progressLine({ ...tally, failures: 2 }, 'resources', 1000, 10_000, false)).toBe(
      ' 25 %  1,234 resources  123/s  0:30 left  2 failed',
    );
  });

  test('guesses no end where the size is unknown, nothing is done, or too little is seen', () => {
    expect(progressLine(tally, 'resources', undefined, 10_000, true)).toBe('1,234 resources  123/s');
    expect(progressLine({ ...tally, bytes: 0 }, 'resources', 1000, 10_000, false)).not.toContain('left');
    expect(progressLine(tally, 'resources', 1000, 500, false)).not.toContain('left');
  });

  test('never passes the end', () => {
    expect(progressLine({ ...tally, bytes: 2000 }, 'resources', 1000, 10_000, true)).toContain(
      `[${'#'.repeat(24)}] 100 %`,
    );
  });

  test('counts time in minutes and hours', () => {
    expect([0, 59.6, 61, 3600, 7325].map(clock)).toEqual(['0:00', '1:00', '1:01', '1:00:00', '2:02:05']);
    expect(rate(5, 0)).toBe(0);
  });
});

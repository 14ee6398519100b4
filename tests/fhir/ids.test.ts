// RFC 9562 section 5.7
import { describe, expect, it } from 'vitest';
import { instant, newId, now } from '../../src/fhir/ids.js';
import { idPattern } from '../../src/fhir/resource.js';

describe('newId', () => {
  it('makes UUIDs of version 7 that FHIR accepts, whose time is now', () => {
    const before = Date.now();
    const id = newId();
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(id).toMatch(idPattern);
    const time = parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
    expect(time).toBeGreaterThanOrEqual(before);
    expect(time).toBeLessThan(Date.now() + 1000);
  });
  it('only goes up, also with more ids than a millisecond has room for', () => {
    const ids = Array.from({ length: 100_000 }, newId);
    expect(ids.every((id, i) => i === 0 || id > ids[i - 1]!)).toBe(true);
  });
});

describe('time', () => {
  it('never goes backward', () => {
    const real = Date.now;
    const first = now();
    try {
      Date.now = () => first - 3_600_000;
      expect(now()).toBeGreaterThanOrEqual(first);
      expect(newId() < newId()).toBe(true);
    } finally {
      Date.now = real;
    }
  });
  it('is written as an instant in UTC with milliseconds', () => {
    expect(instant(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(instant(Date.UTC(2026, 1, 28, 23, 59, 59, 50))).toBe('2026-02-28T23:59:59.050Z');
  });
});

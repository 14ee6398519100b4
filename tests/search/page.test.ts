// Page links hold the search, and nobody can read, change or borrow them.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCursor, sealCursor } from '../../src/search/page.js';

const key = randomBytes(32);
const bound = { grant: 'user/1', path: 'Patient' };

describe('a cursor', () => {
  it('gives back the search and the position', () => {
    const params = fc.array(fc.tuple(fc.string(), fc.string({ maxLength: 300 })), { maxLength: 8 });
    const position = fc.array(fc.oneof(fc.string(), fc.integer(), fc.constant(null)), { maxLength: 4 });
    fc.assert(
      fc.property(params, position, fc.array(position), (params, position, before) => {
        for (const content of [
          { position, params },
          { position, params, before },
        ])
          expect(openCursor(key, sealCursor(key, { ...content, ...bound }), bound)).toEqual(content);
      }),
    );
  });

  const cursor = sealCursor(key, { position: [7], params: [['name', 'Mokoena']], ...bound });

  it('shows nothing of what was searched, and never looks the same', () => {
    expect(Buffer.from(cursor, 'base64url').includes('Mokoena')).toBe(false);
    expect(sealCursor(key, { position: [7], params: [['name', 'Mokoena']], ...bound })).not.toBe(cursor);
  });

  it('stays short for a long search', () => {
    const params = Array.from({ length: 50 }, (_, i) => ['identifier', `http://acme.org/ids|${i}`] as const);
    const long = sealCursor(key, { position: [1], params, ...bound });
    expect(long.length).toBeLessThan(JSON.stringify(params).length / 2);
    expect(openCursor(key, long, bound).params).toEqual(params);
  });

  it('opens for its grant, path and key only', () => {
    const refused = expect.objectContaining({ code: 'invalid-cursor' }) as Error;
    expect(() => openCursor(key, cursor, { ...bound, grant: 'user/2' })).toThrowError(refused);
    expect(() => openCursor(key, cursor, { ...bound, path: 'Observation' })).toThrowError(refused);
    expect(() => openCursor(randomBytes(32), cursor, bound)).toThrowError(refused);
    for (const text of ['', 'x', cursor.slice(0, 20), `${cursor}AAAA`])
      expect(() => openCursor(key, text, bound)).toThrowError(refused);
  });

  it('opens unaltered only', () => {
    const bytes = Buffer.from(cursor, 'base64url');
    for (let i = 0; i < bytes.length; i++) {
      const altered = Buffer.from(bytes);
      altered[i]! ^= 1;
      expect(() => openCursor(key, altered.toString('base64url'), bound)).toThrowError('was altered');
    }
  });
});

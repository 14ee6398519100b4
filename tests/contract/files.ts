// What every files adapter promises (src/storage/files.ts), one test per promise.
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Files } from '../../src/storage/files.js';

export interface FilesUnderTest {
  /** Opens the same stored files, each time as another process would. */
  readonly open: () => Promise<Files>;
  readonly dispose: () => Promise<void>;
}

export function filesContract(name: string, prepare: () => Promise<FilesUnderTest>): void {
  describe(`files contract: ${name}`, () => {
    let subject: FilesUnderTest;
    let files: Files;
    beforeAll(async () => {
      subject = await prepare();
      files = await subject.open();
    });
    afterAll(async () => {
      await files.close();
      await subject.dispose();
    });
    const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
    const listed = async (prefix: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const file of files.list(prefix)) found.push(file);
      return found;
    };

    test('keeps bytes exactly, from an array and from a stream, and answers their number', async () => {
      const content = randomBytes(300_000);
      expect(await files.write('whole/array', content)).toBe(content.length);
      expect(
        await files.write('whole/stream', Readable.from([content.subarray(0, 7), content.subarray(7)])),
      ).toBe(content.length);
      for (const file of ['whole/array', 'whole/stream']) {
        expect((await buffer((await files.read(file))!)).equals(content)).toBe(true);
        expect(await files.size(file)).toBe(content.length);
      }
    });

    test('an empty file is a file', async () => {
      expect(await files.write('empty', bytes(''))).toBe(0);
      expect(await files.size('empty')).toBe(0);
      expect(await text((await files.read('empty'))!)).toBe('');
      expect(await text((await files.read('empty', { start: 0, end: 9 }))!)).toBe('');
    });

    test('what was written is there for another opener', async () => {
      await files.write('shared/a.ndjson', bytes('content'));
      const other = await subject.open();
      expect(await text((await other.read('shared/a.ndjson'))!)).toBe('content');
      await other.close();
    });

    test('answers undefined or false for what is not there, a folder too', async () => {
      await files.write('some/file', bytes('x'));
      for (const file of ['nothing', 'some', 'some/file/below', 'no/where']) {
        expect(await files.read(file)).toBeUndefined();
        expect(await files.size(file)).toBeUndefined();
        expect(await files.delete(file)).toBe(false);
      }
      expect(await files.size('some/file')).toBe(1);
    });

    test('reads ranges, end inclusive, and no further than the content', async () => {
      await files.write('digits', bytes('0123456789'));
      const range = async (start: number, end: number): Promise<string> =>
        text((await files.read('digits', { start, end }))!);
      expect(await range(0, 0)).toBe('0');
      expect(await range(3, 5)).toBe('345');
      expect(await range(8, 100)).toBe('89');
      expect(await range(10, 12)).toBe('');
      expect(await files.read('absent', { start: 0, end: 1 })).toBeUndefined();
    });

    test('a write replaces the whole content', async () => {
      await files.write('again', bytes('long content'));
      await files.write('again', bytes('short'));
      expect(await text((await files.read('again'))!)).toBe('short');
    });

    test('a reader goes on with the content it opened', async () => {
      const before = randomBytes(1_000_000);
      await files.write('replaced', before);
      const stream = (await files.read('replaced'))!;
      await files.write('replaced', bytes('after'));
      expect((await buffer(stream)).equals(before)).toBe(true);
    });

    test('a stream that fails leaves nothing, and what was there before stays', async () => {
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield bytes('half of it');
        throw new Error('the sender went away');
      }
      await expect(files.write('broken/new', Readable.from(failing()))).rejects.toThrow(
        'the sender went away',
      );
      expect(await files.size('broken/new')).toBeUndefined();
      await files.write('broken/old', bytes('old'));
      await expect(files.write('broken/old', Readable.from(failing()))).rejects.toThrow(
        'the sender went away',
      );
      expect(await text((await files.read('broken/old'))!)).toBe('old');
      expect(await listed('broken/')).toEqual(['broken/old']);
    });

    test('a file is not seen before it is whole', async () => {
      let proceed!: () => void;
      const gate = new Promise<void>(resolve => (proceed = resolve));
      let begun!: () => void;
      const first = new Promise<void>(resolve => (begun = resolve));
      async function* slow(): AsyncGenerator<Uint8Array> {
        yield bytes('first, ');
        begun();
        await gate;
        yield bytes('last');
      }
      const written = files.write('slow/file', Readable.from(slow()));
      await first;
      expect(await files.size('slow/file')).toBeUndefined();
      expect(await listed('slow/')).toEqual([]);
      proceed();
      expect(await written).toBe(11);
      expect(await text((await files.read('slow/file'))!)).toBe('first, last');
    });

    test('of two writers of one name one content stays whole', async () => {
      const contents = [randomBytes(500_000), randomBytes(400_000)];
      await Promise.all(contents.map(content => files.write('contested', content)));
      const stored = await buffer((await files.read('contested'))!);
      expect(contents.filter(content => content.equals(stored))).toHaveLength(1);
    });

    test('delete removes, once', async () => {
      await files.write('short-lived', bytes('x'));
      expect(await files.delete('short-lived')).toBe(true);
      expect(await files.delete('short-lived')).toBe(false);
      expect(await files.read('short-lived')).toBeUndefined();
    });

    test('list goes by name below a prefix, which need not end at a folder', async () => {
      for (const file of ['list/b/2', 'list/b/1', 'list/a', 'list/b.x', 'lists'])
        await files.write(file, bytes('x'));
      expect(await listed('list/')).toEqual(['list/a', 'list/b.x', 'list/b/1', 'list/b/2']);
      expect(await listed('list/b')).toEqual(['list/b.x', 'list/b/1', 'list/b/2']);
      expect(await listed('list/b/')).toEqual(['list/b/1', 'list/b/2']);
      expect(await listed('lis')).toEqual(['list/a', 'list/b.x', 'list/b/1', 'list/b/2', 'lists']);
      expect(await listed('nothing')).toEqual([]);
    });

    test.each([
      '',
      '.',
      '..',
      '../x',
      'a/../x',
      'a/./x',
      '/etc/passwd',
      'a//b',
      'a/',
      'a\\..\\x',
      '.hidden',
      'a/.b',
      'a\u0000b',
      'é',
      '~',
      'C:x',
    ])('refuses the name %j everywhere', async file => {
      await expect(files.write(file, bytes('x'))).rejects.toThrow(/name/);
      await expect(files.read(file)).rejects.toThrow(/name/);
      await expect(files.size(file)).rejects.toThrow(/name/);
      await expect(files.delete(file)).rejects.toThrow(/name/);
    });
  });
}

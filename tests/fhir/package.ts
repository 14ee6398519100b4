// Reads the .json files of a FHIR package (.tgz). A tar is 512-byte headers, each followed by its content in blocks of
// 512 bytes. https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const decoder = new TextDecoder(); // drops a byte order mark
const folder = new URL('../../../shared/data/', import.meta.url);

/** Files under ../shared/data, by path there; `present` is false where the machine has none. */
export const shared = (
  path: string,
): { readonly url: URL; readonly present: boolean; readonly note: string } => {
  const url = new URL(path, folder);
  const present = existsSync(url);
  return { url, present, note: present ? '' : ` (skipped: ../shared/data/${path} is absent)` };
};

/** Name (without folder) and text of every resource: not package.json, the index or what lies in other/. */
export function* filesOfPackage(url: URL): Generator<readonly [name: string, text: string]> {
  const tar = gunzipSync(readFileSync(url));
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const field = (from: number, length: number): string =>
      tar.toString('utf8', at + from, at + from + length).replace(/\0.*$/s, '');
    const size = parseInt(field(124, 12), 8);
    const path = field(0, 100);
    const name = path.replace(/^.*\//, '');
    const isFile = (field(156, 1) === '0' || field(156, 1) === '') && !path.includes('/other/');
    if (isFile && name.endsWith('.json') && name !== 'package.json' && !name.startsWith('.')) {
      yield [name, decoder.decode(tar.subarray(at + 512, at + 512 + size))];
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

// The files of a FHIR package, which is a gzipped tar. https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
import { gunzipSync } from 'node:zlib';

/** The JSON files of a package: a tar is 512-byte headers, each followed by its content in whole blocks. */
export function* filesIn(tgz: Buffer): Generator<{ name: string; text: string }> {
  const tar = gunzipSync(tgz);
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const text = (from: number, length: number) =>
      tar
        .subarray(at + from, at + from + length)
        .toString()
        .replace(/\0.*$/s, '');
    const size = parseInt(text(124, 12), 8);
    const name = text(0, 100);
    if (text(156, 1) !== '5' && name.endsWith('.json'))
      yield { name, text: tar.subarray(at + 512, at + 512 + size).toString() };
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

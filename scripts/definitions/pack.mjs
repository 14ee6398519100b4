// A pack is a gzip file of several members, each some NDJSON lines, and an index of which key stands on which line of
// which member: one definition is read without unpacking the rest, and `zcat` still prints the whole file.
// https://www.rfc-editor.org/rfc/rfc1952#section-2.2
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const memberSize = 128 * 1024;

/** gzip without a time and an operating system in its header: the same content gives the same bytes. */
export function compress(text) {
  const bytes = gzipSync(text, { level: 9, memLevel: 9 });
  bytes[9] = 255;
  return bytes;
}

/** Writes `<path>.ndjson.gz` and `<path>.index.json`; entries are [key, value] and are sorted by key. */
export function writePack(path, entries) {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const members = [];
  const chunks = [];
  let offset = 0;
  let lines = [];
  let size = 0;
  let keys = [];
  const close = () => {
    if (keys.length === 0) return;
    const bytes = compress(lines.join(''));
    members.push({ offset, length: bytes.length, keys });
    chunks.push(bytes);
    offset += bytes.length;
    lines = [];
    keys = [];
    size = 0;
  };
  for (const [key, value] of sorted) {
    const line = `${JSON.stringify(value)}\n`;
    if (size > 0 && size + line.length > memberSize) close();
    lines.push(line);
    keys.push(key);
    size += line.length;
  }
  close();
  writeFileSync(`${path}.ndjson.gz`, Buffer.concat(chunks));
  const index = members.map(m => JSON.stringify(m)).join(',\n');
  writeFileSync(`${path}.index.json`, `[\n${index}\n]\n`);
  return offset;
}

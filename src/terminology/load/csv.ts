// Rows of CSV files, and plain CSV as a code system: a column `code`, and whatever else there is to say of it.
// https://www.rfc-editor.org/rfc/rfc4180
import type { ConceptProperty, ConceptRecord, Designation } from '../concepts.js';

/** Something in a file that cannot be understood; the message is for the person who loads it. */
export class Unreadable extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Unreadable';
  }
}

/** Fields of each row. Quoted fields may hold delimiters, line breaks, and quotes written twice. */
export async function* rowsOf(chunks: AsyncIterable<string>, delimiter: string): AsyncGenerator<string[]> {
  let row: string[] = [];
  let field = '';
  let state: 'plain' | 'quoted' | 'closing' = 'plain';
  let isFirst = true;
  for await (const chunk of chunks) {
    const text = isFirst ? chunk.replace(/^\uFEFF/, '') : chunk;
    isFirst = false;
    for (const char of text) {
      if (state === 'quoted') {
        if (char === '"') state = 'closing';
        else field += char;
        continue;
      }
      if (char === '"') {
        if (state === 'closing') field += '"';
        else if (field !== '') field += char; // a quote within a field that does not begin with one
        if (state === 'closing' || field === '') state = 'quoted';
        continue;
      }
      state = 'plain';
      if (char === delimiter) {
        row.push(field);
        field = '';
      } else if (char === '\n') {
        row.push(field.endsWith('\r') ? field.slice(0, -1) : field);
        if (row.length > 1 || row[0] !== '') yield row;
        row = [];
        field = '';
      } else field += char;
    }
  }
  if (state === 'quoted') throw new Unreadable('The file ends within a quoted field.');
  row.push(field);
  if (row.length > 1 || row[0] !== '') yield row;
}

/** Each row by the names of the first. */
export async function* recordsOf(
  chunks: AsyncIterable<string>,
  delimiter: string,
  needed: readonly string[],
): AsyncGenerator<ReadonlyMap<string, string>> {
  let names: string[] | undefined;
  for await (const row of rowsOf(chunks, delimiter)) {
    if (names === undefined) {
      names = row.map(name => name.trim());
      const missing = needed.filter(name => !names!.includes(name));
      if (missing.length > 0)
        throw new Unreadable(`The first line must name the columns; ${missing.join(', ')} is missing. It has ${names.join(', ').slice(0, 300)}.`); // prettier-ignore
      continue;
    }
    yield new Map(names.map((name, i) => [name, row[i]?.trim() ?? '']));
  }
}

/** The first of the usual delimiters that the line has, outside of quotes. */
export function delimiterOf(firstLine: string): string {
  const plain = firstLine.replace(/"[^"]*"/g, '');
  return ['\t', ';', ','].find(one => plain.includes(one)) ?? ',';
}

const isTrue = (text: string | undefined): boolean => /^(?:true|yes|1)$/i.test(text ?? '');
const own = new Set(['code', 'display', 'definition', 'parent', 'inactive', 'abstract']);

/**
 * Columns: `code`, `display`, `definition`, `parent` (codes, with `|` or `;` between several), `inactive`, `abstract`,
 * `designation:de` for a text in a language; every other column is a property of its name, `property:x` too.
 */
export async function* fromCsv(
  chunks: AsyncIterable<string>,
  delimiter: string,
): AsyncGenerator<ConceptRecord> {
  for await (const record of recordsOf(chunks, delimiter, ['code'])) {
    const code = record.get('code')!;
    if (code === '') continue;
    const designations: Designation[] = [];
    const properties: ConceptProperty[] = [];
    for (const [name, value] of record) {
      if (value === '' || own.has(name)) continue;
      const [, kind, rest] = /^(designation|property):(.+)$/.exec(name) ?? [];
      if (kind === 'designation') designations.push({ language: rest!, value });
      else properties.push({ code: rest ?? name, type: 'String', value });
    }
    yield {
      code,
      display: record.get('display'),
      definition: record.get('definition'),
      parents: (record.get('parent') ?? '').split(/[|;]/).map(one => one.trim()).filter(one => one !== ''), // prettier-ignore
      isInactive: isTrue(record.get('inactive')),
      isAbstract: isTrue(record.get('abstract')),
      designations,
      properties,
    };
  }
}

// A snapshot of SNOMED CT in Release Format 2: concepts, descriptions, relationships, and which descriptions are preferred.
// https://confluence.ihtsdotools.org/display/DOCRELFMT, https://hl7.org/fhir/R4/snomedct.html
import type { ConceptProperty, ConceptRecord, Designation } from '../concepts.js';
import { Unreadable } from './csv.js';
import { linesOf, type Entry } from './source.js';

const sct = 'http://snomed.info/sct';
const isA = '116680003';
const fullySpecified = '900000000000003001';
const preferred = '900000000000548007';
/** Language reference sets, the one to be followed first: US English, GB English. */
const languages = ['900000000000509007', '900000000000508004'];
const defined = '900000000000073002';
const international = '900000000000207008';

const uses = {
  [fullySpecified]: { system: sct, code: fullySpecified, display: 'Fully specified name' },
  '900000000000013009': { system: sct, code: '900000000000013009', display: 'Synonym' },
};

const files = {
  concept: /(?:^|\/)x?sct2_Concept_Snapshot_[^/]*\.txt$/i,
  description: /(?:^|\/)x?sct2_(?:Description|TextDefinition)_Snapshot[^/]*\.txt$/i,
  relationship: /(?:^|\/)x?sct2_Relationship_Snapshot_[^/]*\.txt$/i,
  language: /(?:^|\/)x?der2_cRefset_LanguageSnapshot[^/]*\.txt$/i,
};

/** The URI of the edition in its version, by the date in the name of the concept file. */
export function rf2Version(entries: readonly Entry[]): string | undefined {
  const name = entries.find(one => files.concept.test(one.name))?.name ?? '';
  const [, date] = /_(\d{8})\.txt$/.exec(name) ?? [];
  return date === undefined ? undefined : `${sct}/${international}/version/${date}`;
}

export const isRf2 = (entries: readonly Entry[]): boolean =>
  entries.some(one => files.concept.test(one.name));

interface Gathered {
  readonly code: string;
  readonly isActive: boolean;
  readonly module: string;
  readonly isDefined: boolean;
  readonly date: string;
  readonly designations: Designation[];
  readonly parents: string[];
  readonly properties: ConceptProperty[];
  display: string | undefined;
  /** How good the display is: 0 a fully specified name, 1 any synonym, then what languages prefer. */
  rank: number;
}

/** Columns of the rows that are in force, or of all. */
async function* rows(entry: Entry, columns: number, all = false): AsyncGenerator<string[]> {
  let isHead = true;
  for await (const line of linesOf(entry)) {
    if (isHead) {
      isHead = false;
      continue;
    }
    const row = line.split('\t');
    if (row.length < columns) {
      if (line.trim() === '') continue;
      throw new Unreadable(`${entry.name} has a line of ${row.length} columns; ${columns} are needed.`);
    }
    if (all || row[2] === '1') yield row;
  }
}

export async function* fromRf2(entries: readonly Entry[]): AsyncGenerator<ConceptRecord> {
  const of = (pattern: RegExp): readonly Entry[] => entries.filter(one => pattern.test(one.name));
  if (!isRf2(entries))
    throw new Unreadable('There is no sct2_Concept_Snapshot_….txt: give the Snapshot of a release.');
  /** Descriptions preferred in a language, by how good that is. */
  const ranks = new Map<string, number>();
  for (const entry of of(files.language))
    for await (const [, , , , refset = '', description = '', acceptability] of rows(entry, 7)) {
      if (acceptability !== preferred) continue;
      const rank = languages.length + 1 - languages.indexOf(refset);
      ranks.set(description, Math.max(ranks.get(description) ?? 0, languages.includes(refset) ? rank : 1));
    }
  const concepts = new Map<string, Gathered>();
  for (const entry of of(files.concept))
    for await (const [code = '', date = '', active, module = '', status] of rows(entry, 5, true))
      concepts.set(code, {
        code,
        date,
        module,
        isActive: active === '1',
        isDefined: status === defined,
        designations: [],
        parents: [],
        properties: [],
        display: undefined,
        rank: -1,
      });
  for (const entry of of(files.description))
    for await (const [id = '', , , , concept = '', language = '', type = '', value = ''] of rows(entry, 9)) {
      const found = concepts.get(concept);
      if (found === undefined) continue;
      const use = (uses as Readonly<Record<string, (typeof uses)[typeof fullySpecified]>>)[type];
      if (use === undefined) continue; // a definition
      found.designations.push({ language, use, value });
      const rank = type === fullySpecified ? 0 : 1 + (ranks.get(id) ?? 0);
      if (rank <= found.rank) continue;
      found.rank = rank;
      found.display = value;
    }
  for (const entry of of(files.relationship))
    for await (const [, , , , source = '', target = '', , type = ''] of rows(entry, 10)) {
      const found = concepts.get(source);
      if (type === isA) found?.parents.push(target);
      else found?.properties.push({ code: type, type: 'Code', value: target });
    }
  for (const one of concepts.values()) {
    yield {
      code: one.code,
      display: one.display,
      designations: one.designations,
      parents: one.parents,
      properties: [
        { code: 'moduleId', type: 'Code', value: one.module },
        { code: 'effectiveTime', type: 'String', value: one.date },
        { code: 'sufficientlyDefined', type: 'Boolean', value: one.isDefined },
        ...one.properties,
      ],
      isInactive: !one.isActive,
    };
    concepts.delete(one.code);
  }
}

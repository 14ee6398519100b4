// Reads a code system from files of any form that is understood, for `tsela terminology load`.
import { isObject, parseJson } from '../../fhir/json.js';
import type { CodeSystemDefinition } from '../../fhir/definitions.js';
import { headOf, recordsOf as recordsIn, type CodeSystemHead } from '../code-system.js';
import { conceptWriter, type ConceptArrays, type ConceptRecord } from '../concepts.js';
import { delimiterOf, fromCsv, Unreadable } from './csv.js';
import { fromLoinc, isLoincTable, loincVersion } from './loinc.js';
import { fromRf2, isRf2, rf2Version } from './rf2.js';
import { entriesOf, type Entry } from './source.js';

export const forms = ['csv', 'loinc', 'rf2', 'fhir'] as const;
export type Form = (typeof forms)[number];

export interface Wanted {
  readonly path: string;
  /** Found by the files where it is not said. */
  readonly form?: Form | undefined;
  readonly system?: string | undefined;
  readonly version?: string | undefined;
  readonly name?: string | undefined;
  /** The system whose codes are given more texts and properties; then `system` names the supplement. */
  readonly supplements?: string | undefined;
}

export interface ReadSystem {
  readonly head: CodeSystemHead & { readonly supplements?: string | undefined };
  readonly arrays: ConceptArrays;
}

const usual = {
  loinc: { url: 'http://loinc.org', name: 'LOINC', caseSensitive: false },
  rf2: { url: 'http://snomed.info/sct', name: 'SNOMED CT', caseSensitive: true },
};

/** @throws Unreadable where the files are not of the form. `progress` is told how many concepts there are so far. */
export async function readSystem(wanted: Wanted, progress?: (concepts: number) => void): Promise<ReadSystem> {
  const entries = await entriesOf(wanted.path);
  const form = wanted.form ?? formOf(entries, wanted.path);
  const writer = conceptWriter();
  const take = async (
    concepts: AsyncIterable<ConceptRecord> | Iterable<ConceptRecord>,
  ): Promise<ConceptArrays> => {
    for await (const concept of concepts) {
      writer.add(concept);
      if (writer.count % 1000 === 0) progress?.(writer.count);
    }
    progress?.(writer.count);
    if (writer.count === 0) throw new Unreadable(`${wanted.path} has no concepts.`);
    return writer.finish();
  };
  if (form === 'fhir') {
    const definition = await resourceIn(entries);
    const head = { ...headOf(definition), supplements: definition.supplements };
    return { head: named(head, wanted), arrays: await take(recordsIn(definition)) };
  }
  if (form === 'csv') {
    if (wanted.system === undefined)
      throw new Unreadable('A CSV does not say which code system it is: name it.');
    const entry = only(entries);
    const head = { url: wanted.system, content: 'complete', caseSensitive: true } as const;
    return { head: named(head, wanted), arrays: await take(fromCsv(entry.text(), delimiterOf(await firstLine(entry)))) }; // prettier-ignore
  }
  const version = form === 'loinc' ? loincVersion(wanted.path) : rf2Version(entries);
  const head = { ...usual[form], content: 'complete', version } as const;
  return {
    head: named(head, wanted),
    arrays: await take(form === 'loinc' ? fromLoinc(entries) : fromRf2(entries)),
  };
}

function named(head: ReadSystem['head'], wanted: Wanted): ReadSystem['head'] {
  const { system, version, name, supplements } = wanted;
  return {
    ...head,
    url: system ?? head.url,
    version: version ?? head.version,
    name: name ?? head.name,
    ...(supplements === undefined ? {} : { supplements, content: 'supplement' as const }),
  };
}

function formOf(entries: readonly Entry[], path: string): Form {
  if (isRf2(entries)) return 'rf2';
  if (entries.some(isLoincTable)) return 'loinc';
  if (/\.json(?:\.gz)?$/i.test(path)) return 'fhir';
  if (/\.(?:csv|tsv|txt)(?:\.gz)?$/i.test(path)) return 'csv';
  throw new Unreadable(`What ${path} is cannot be told from its name: say csv, loinc, rf2 or fhir.`);
}

function only(entries: readonly Entry[]): Entry {
  const [entry, another] = entries;
  if (entry === undefined || another !== undefined) throw new Unreadable('One file is needed.');
  return entry;
}

async function firstLine(entry: Entry): Promise<string> {
  for await (const chunk of entry.text()) return chunk.split('\n')[0]!;
  return '';
}

async function resourceIn(entries: readonly Entry[]): Promise<CodeSystemDefinition> {
  let text = '';
  for await (const chunk of only(entries).text()) text += chunk;
  const resource = parseJson(text);
  if (!isObject(resource) || resource['resourceType'] !== 'CodeSystem' || typeof resource['url'] !== 'string')
    throw new Unreadable('The file is not a CodeSystem with a url.');
  return resource as unknown as CodeSystemDefinition;
}

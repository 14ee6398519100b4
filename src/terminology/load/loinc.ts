// A release of LOINC: Loinc.csv, and where they are there the hierarchy and the texts in other languages.
// https://loinc.org/kb/users-guide/loinc-database-structure/, https://hl7.org/fhir/R4/loinc.html
import type { ConceptProperty, ConceptRecord, Designation } from '../concepts.js';
import { recordsOf, Unreadable } from './csv.js';
import type { Entry } from './source.js';

const properties = [
  'COMPONENT', 'PROPERTY', 'TIME_ASPCT', 'SYSTEM', 'SCALE_TYP', 'METHOD_TYP', 'CLASS', 'CLASSTYPE', 'STATUS', 'ORDER_OBS',
  'EXAMPLE_UCUM_UNITS', 'VersionFirstReleased', 'VersionLastChanged',
]; // prettier-ignore
const otherNames = ['SHORTNAME', 'DisplayName', 'CONSUMER_NAME'];

export const isLoincTable = ({ name }: Entry): boolean => /(?:^|\/)Loinc\.csv$/i.test(name);
const isHierarchy = ({ name }: Entry): boolean =>
  /(?:^|\/)(?:MultiAxialHierarchy|ComponentHierarchyBySystem)\.csv$/i.test(name);
const variant = /(?:^|\/)([a-z]{2})([A-Z]{2})\d+LinguisticVariant\.csv$/;

/** The version that the name of the file or its folder tells, such as `2.77` of `Loinc_2.77`. */
export const loincVersion = (path: string): string | undefined => /loinc[_-]?v?(\d+\.\d+)/i.exec(path)?.[1];

export async function* fromLoinc(entries: readonly Entry[]): AsyncGenerator<ConceptRecord> {
  const table = entries.find(isLoincTable) ?? (entries.length === 1 ? entries[0] : undefined);
  if (table === undefined) throw new Unreadable('There is no Loinc.csv.');
  const parents = new Map<string, string[]>();
  /** What only groups others: codes that begin with LP. */
  const groups = new Map<string, string>();
  for (const entry of entries.filter(isHierarchy)) {
    for await (const row of recordsOf(entry.text(), ',', ['IMMEDIATE_PARENT', 'CODE', 'CODE_TEXT'])) {
      const [code, parent] = [row.get('CODE')!, row.get('IMMEDIATE_PARENT')!];
      if (parent !== '') parents.set(code, [...(parents.get(code) ?? []), parent]);
      if (code.startsWith('LP')) groups.set(code, row.get('CODE_TEXT')!);
    }
  }
  const variants = new Map<string, Designation[]>();
  for (const entry of entries) {
    const [, language, country] = variant.exec(entry.name) ?? [];
    if (language === undefined || country === undefined) continue;
    for await (const row of recordsOf(entry.text(), ',', ['LOINC_NUM'])) {
      const value = row.get('LONG_COMMON_NAME') || row.get('LinguisticVariantDisplayName') || '';
      const code = row.get('LOINC_NUM')!;
      if (value !== '') variants.set(code, [...(variants.get(code) ?? []), { language: `${language}-${country}`, value }]); // prettier-ignore
    }
  }
  for (const [code, display] of groups) yield { code, display, parents: parents.get(code) ?? [] };
  for await (const row of recordsOf(table.text(), ',', ['LOINC_NUM', 'COMPONENT', 'LONG_COMMON_NAME'])) {
    const code = row.get('LOINC_NUM')!;
    if (code === '') continue;
    const display = row.get('LONG_COMMON_NAME')!;
    const names = new Set(otherNames.map(name => row.get(name) ?? ''));
    const stated = properties.flatMap((name): ConceptProperty[] => {
      const value = row.get(name) ?? '';
      return value === '' ? [] : [{ code: name, type: 'String', value }];
    });
    yield {
      code,
      display,
      designations: [
        ...[...names]
          .filter(value => value !== '' && value !== display)
          .map(value => ({ language: 'en', value })),
        ...(variants.get(code) ?? []),
      ],
      properties: stated,
      parents: parents.get(code) ?? [],
      isInactive: row.get('STATUS') === 'DEPRECATED',
    };
  }
}

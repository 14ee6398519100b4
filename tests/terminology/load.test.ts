// Code systems from small made-up files in the forms of plain CSV, LOINC and SNOMED CT's RF2.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { conceptsOf, type Concepts } from '../../src/terminology/concepts.js';
import { readSystem, type Wanted } from '../../src/terminology/load/load-system.js';

const folder = mkdtempSync(join(tmpdir(), 'tsela-terminology-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
};
const read = async (wanted: Wanted) => {
  const { head, arrays } = await readSystem(wanted);
  return { head, concepts: conceptsOf(arrays) };
};
const parents = (concepts: Concepts, code: string): string[] =>
  [...concepts.above(concepts.ordinal(code))].map(concepts.code).sort();
const properties = (concepts: Concepts, code: string): Record<string, unknown> =>
  Object.fromEntries(concepts.properties(concepts.ordinal(code)).map(one => [one.code, one.value]));

describe('plain CSV', () => {
  it('has columns of its own and properties', async () => {
    const path = write(
      'plants.csv',
      '\uFEFFcode,display,parent,inactive,abstract,designation:st,property:height,use\r\n' +
        'plant,Plant,,,true,Semela,,\r\n' +
        'aloe,"Aloe, ""spiral""",plant,,,Kharatsa,30 cm,"for\nshow"\r\n' +
        'old,Old plant,plant|aloe,true,,,,\r\n',
    );
    const { head, concepts } = await read({ path, system: 'http://example.org/plants', version: '3' });
    expect(head).toMatchObject({ url: 'http://example.org/plants', version: '3', content: 'complete' });
    expect(concepts.size).toBe(3);
    expect(concepts.display(concepts.ordinal('aloe'))).toBe('Aloe, "spiral"');
    expect(concepts.designations(concepts.ordinal('aloe'))).toEqual([{ language: 'st', value: 'Kharatsa' }]);
    expect(properties(concepts, 'aloe')).toEqual({ height: '30 cm', use: 'for\nshow' });
    expect(parents(concepts, 'old')).toEqual(['aloe', 'plant']);
    expect(concepts.isAbstract(concepts.ordinal('plant'))).toBe(true);
    expect(concepts.isInactive(concepts.ordinal('old'))).toBe(true);
    expect(concepts.ordinal('none')).toBe(-1);
  });
  it('may have other delimiters', async () => {
    const path = write('tabs.tsv', 'code\tdisplay\na\tA, or so\n');
    const { concepts } = await read({ path, system: 'urn:x' });
    expect(concepts.display(0)).toBe('A, or so');
  });
  it.each([
    ['name,text\na,b\n', 'code is missing'],
    ['code,display\n', 'has no concepts'],
    ['code,display\na,"b\n', 'within a quoted field'],
  ])('is refused where it is none: %j', async (content, message) => {
    await expect(readSystem({ path: write('bad.csv', content), system: 'urn:x' })).rejects.toThrow(message);
  });
  it('needs the name of its system', async () => {
    await expect(readSystem({ path: write('nameless.csv', 'code\na\n') })).rejects.toThrow('name it');
  });
});

describe('LOINC', () => {
  const release = 'Loinc_2.99';
  write(
    `${release}/LoincTable/Loinc.csv`,
    '"LOINC_NUM","COMPONENT","PROPERTY","TIME_ASPCT","SYSTEM","SCALE_TYP","METHOD_TYP","CLASS","STATUS","LONG_COMMON_NAME","SHORTNAME","DisplayName"\n' +
      '"99990-1","Madeupium","MCnc","Pt","Ser","Qn","","CHEM","ACTIVE","Madeupium [Mass/volume] in Serum","Madeupium SerPl-mCnc","Madeupium (S) [Mass/Vol]"\n' +
      '"99991-9","Madeupium","PrThr","Pt","Ser","Ord","","CHEM","DEPRECATED","Madeupium [Presence] in Serum","",""\n',
  );
  write(
    `${release}/AccessoryFiles/ComponentHierarchyBySystem/ComponentHierarchyBySystem.csv`,
    'PATH_TO_ROOT,SEQUENCE,IMMEDIATE_PARENT,CODE,CODE_TEXT\n' +
      ',1,,LP1-0,Laboratory\nLP1-0,1,LP1-0,LP2-8,Madeupium\nLP1-0.LP2-8,1,LP2-8,99990-1,Madeupium [Mass/volume] in Serum\n',
  );
  write(
    `${release}/AccessoryFiles/LinguisticVariants/deDE15LinguisticVariant.csv`,
    'LOINC_NUM,COMPONENT,LONG_COMMON_NAME\n99990-1,Madeupium,Madeupium [Masse/Volumen] in Serum\n',
  );
  it('comes with its hierarchy and languages', async () => {
    const { head, concepts } = await read({ path: join(folder, release) });
    expect(head).toMatchObject({ url: 'http://loinc.org', version: '2.99', name: 'LOINC' });
    const at = concepts.ordinal('99990-1');
    expect(concepts.display(at)).toBe('Madeupium [Mass/volume] in Serum');
    expect(concepts.designations(at).map(one => one.language)).toEqual(['en', 'en', 'de-DE']);
    expect(properties(concepts, '99990-1')).toMatchObject({
      SCALE_TYP: 'Qn',
      CLASS: 'CHEM',
      STATUS: 'ACTIVE',
    });
    expect(parents(concepts, '99990-1')).toEqual(['LP2-8']);
    expect(parents(concepts, 'LP2-8')).toEqual(['LP1-0']);
    expect(concepts.isInactive(concepts.ordinal('99991-9'))).toBe(true);
  });
  it('may be the table alone', async () => {
    const path = join(folder, release, 'LoincTable/Loinc.csv');
    expect((await read({ path })).concepts.size).toBe(2);
  });
});

describe('SNOMED CT', () => {
  const lines = (...rows: (string | number)[][]): string =>
    rows.map(row => row.join('\t')).join('\r\n') + '\r\n';
  const module = '900000000000207008';
  const head = (...names: string[]): string[] => ['id', 'effectiveTime', 'active', 'moduleId', ...names];
  const files: Readonly<Record<string, string>> = {
    'Snapshot/Terminology/sct2_Concept_Snapshot_INT_20990101.txt': lines(
      head('definitionStatusId'),
      ['138875005', '20020131', 1, module, '900000000000074008'],
      ['1001', '20990101', 1, module, '900000000000073002'],
      ['1002', '20990101', 1, module, '900000000000074008'],
      ['1003', '20990101', 0, module, '900000000000074008'],
    ),
    'Snapshot/Terminology/sct2_Description_Snapshot-en_INT_20990101.txt': lines(
      head('conceptId', 'languageCode', 'typeId', 'term', 'caseSignificanceId'),
      ['1', '', 1, module, '138875005', 'en', '900000000000003001', 'SNOMED CT Concept', ''],
      ['2', '', 1, module, '1001', 'en', '900000000000003001', 'Made-up disease (disorder)', ''],
      ['3', '', 1, module, '1001', 'en', '900000000000013009', 'MUD', ''],
      ['4', '', 1, module, '1001', 'en', '900000000000013009', 'Made-up disease', ''],
      ['5', '', 0, module, '1001', 'en', '900000000000013009', 'Not in force', ''],
      ['6', '', 1, module, '1002', 'en', '900000000000003001', 'Made-up site "left" (body structure)', ''],
    ),
    'Snapshot/Terminology/sct2_Relationship_Snapshot_INT_20990101.txt': lines(
      head('sourceId', 'destinationId', 'relationshipGroup', 'typeId', 'characteristicTypeId', 'modifierId'),
      ['11', '', 1, module, '1001', '138875005', 0, '116680003', '', ''],
      ['12', '', 1, module, '1002', '138875005', 0, '116680003', '', ''],
      ['13', '', 1, module, '1001', '1002', 1, '363698007', '', ''],
      ['14', '', 0, module, '1001', '1002', 0, '116680003', '', ''],
    ),
    'Snapshot/Refset/Language/der2_cRefset_LanguageSnapshot-en_INT_20990101.txt': lines(
      head('refsetId', 'referencedComponentId', 'acceptabilityId'),
      ['a', '', 1, module, '900000000000509007', '4', '900000000000548007'],
      ['b', '', 1, module, '900000000000509007', '3', '900000000000549004'],
    ),
  };
  const check = async (path: string): Promise<void> => {
    const { head: found, concepts } = await read({ path });
    expect(found).toMatchObject({
      url: 'http://snomed.info/sct',
      version: `http://snomed.info/sct/${module}/version/20990101`,
    });
    const at = concepts.ordinal('1001');
    expect(concepts.size).toBe(4);
    expect(concepts.display(at)).toBe('Made-up disease');
    expect(concepts.designations(at).map(one => one.value)).toEqual(['Made-up disease (disorder)', 'MUD', 'Made-up disease']); // prettier-ignore
    expect(parents(concepts, '1001')).toEqual(['138875005']);
    expect(properties(concepts, '1001')).toMatchObject({ 363698007: '1002', sufficientlyDefined: true });
    expect(concepts.display(concepts.ordinal('1002'))).toBe('Made-up site "left" (body structure)');
    expect(concepts.isInactive(concepts.ordinal('1003'))).toBe(true);
  };
  it('is read from a folder', async () => {
    for (const [name, content] of Object.entries(files)) write(`rf2/${name}`, content);
    await check(join(folder, 'rf2'));
  });
  it('is read from a zip archive', async () => {
    await check(write('SnomedCT.zip', zip(files)));
  });
  it('is refused where it is no release', async () => {
    await expect(readSystem({ path: write('x.zip', 'nothing'), form: 'rf2' })).rejects.toThrow(
      'is not a zip archive',
    );
    await expect(readSystem({ path: join(folder, 'Loinc_2.99'), form: 'rf2' })).rejects.toThrow('Snapshot');
  });
});

describe('a CodeSystem', () => {
  it('is read as it is, a supplement too', async () => {
    const path = write(
      'supplement.json',
      JSON.stringify({
        resourceType: 'CodeSystem',
        url: 'http://example.org/more',
        version: '1.0.0',
        status: 'active',
        content: 'supplement',
        supplements: 'http://loinc.org|2.99',
        concept: [{ code: '99990-1', designation: [{ language: 'st', value: 'Madeupium' }], property: [{ code: 'n', valueDecimal: 1.5 }] }], // prettier-ignore
      }).replace('1.5', '1.50'),
    );
    const { head, concepts } = await read({ path });
    expect(head).toMatchObject({ content: 'supplement', supplements: 'http://loinc.org|2.99' });
    expect(String(concepts.properties(0)[0]!.value)).toBe('1.50');
  });
});

/** A zip archive, each entry deflated. */
function zip(entries: Readonly<Record<string, string>>): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, text] of Object.entries(entries)) {
    const packed = deflateRawSync(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32(text), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(Buffer.byteLength(text), 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), fields, rest, Buffer.from(name)])); // prettier-ignore
    bodies.push(local);
    at += local.length;
  }
  const listed = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(bodies.length, 8);
  end.writeUInt16LE(bodies.length, 10);
  end.writeUInt32LE(listed.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...bodies, listed, end]);
}

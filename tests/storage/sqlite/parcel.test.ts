// What is packed for the writer's thread is unpacked as it was, across parcels that build on each other.
import { deserialize, serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import type { Row } from '../../../src/search/rows.js';
import { Packer, Unpacker, type Item, type Parcel } from '../../../src/storage/sqlite/parcel.js';
import type { Write } from '../../../src/storage/store.js';

const rows: readonly Row[] = [
  { kind: 'token', param: 'code', system: 'http://loinc.org', code: '8302-2', end: 3 },
  { kind: 'token', param: 'code', system: '', code: '' },
  { kind: 'string', param: 'name', value: 'žofie', exact: 'Žofie 🙂', end: 1 },
  { kind: 'reference', param: 'subject', target: 'Patient/1', version: '' },
  { kind: 'reference', param: 'based-on', target: 'http://example.org/x', version: '2' },
  { kind: 'date', param: 'date', lo: -8.64e15, hi: 1_700_000_000_999, end: 2 },
  {
    kind: 'number',
    param: 'value-quantity',
    lo: 0.1,
    hi: -0,
    system: 'http://unitsofmeasure.org',
    code: 'mg',
  },
  { kind: 'uri', param: 'url', value: 'urn:x' },
  {
    kind: 'composite',
    param: 'code-value-quantity',
    parts: [
      { kind: 'token', system: 's'.repeat(5000), code: 'a' },
      { kind: 'number', lo: -Infinity, hi: 5, system: '', code: '' },
      { kind: 'reference', target: 'Device/7', version: '' },
    ],
  },
  { kind: 'words', param: '_content', text: ' one \n two ' },
];

const write = (id: string, more: Partial<Write> = {}): Write => ({
  ref: { type: 'Observation', id },
  expected: 0,
  method: 'POST',
  lastUpdated: 1_700_000_000_000,
  body: Buffer.from(`{"id":"${id}","text":"ž🙂"}`),
  rows,
  replaces: [],
  ...more,
});

const { body: _body, ...gone } = write('gone', { method: 'DELETE', expected: 7, rows: [], replaces: rows });
const rare: Partial<Write> = {
  claims: ['time|1', 'time|2'],
  requires: [{ type: 'Patient', id: '1' }],
  unreferenced: true,
  condition: {
    plan: { types: ['Patient'], where: { op: 'all' }, sort: [], count: 2, total: 'none' },
    locks: ['Patient'],
    found: [],
  },
};
const receipt = { key: 'k', body: Buffer.from('kept') };

const items: readonly Item[] = [
  { id: 1, commit: { writes: [write('a'), write('b', { index: 0 }), gone] }, isPart: false },
  { id: 2, commit: { writes: [write('c', rare), write('d')] }, isPart: true },
  { id: 2, commit: { writes: [write('e', { claims: [] })], receipt }, isPart: false },
  { id: 3, commit: { writes: [], receipt }, isPart: false },
];

const overThere = (parcel: Parcel): Parcel => deserialize(serialize(parcel)) as Parcel;
/** Views of bytes as what they hold. */
const plain = (value: readonly Item[]): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, one: unknown) =>
      one instanceof Uint8Array
        ? Buffer.from(one).toString()
        : typeof one === 'number' && (Object.is(one, -0) || !Number.isFinite(one))
          ? `number ${Object.is(one, -0) ? '-0' : one}`
          : one,
    ).replaceAll(/\{"type":"Buffer","data":(\[[\d,]*\])\}/g, (_, bytes: string) =>
      JSON.stringify(Buffer.from(JSON.parse(bytes) as number[]).toString()),
    ),
  );

describe('a parcel for the writer', () => {
  it('holds all there is of writes and commits', () => {
    const unpacked = new Unpacker().unpack(overThere(new Packer().pack(items)));
    expect(plain(unpacked)).toEqual(plain(items));
  });

  it('sends a name once, and goes on where there are more than it keeps', () => {
    const packer = new Packer();
    const unpacker = new Unpacker();
    const first = packer.pack(items);
    expect(first.names).toContain('subject');
    unpacker.unpack(overThere(first));
    for (let round = 0; round < 3; round++) {
      const many = Array.from({ length: 10_000 }, (_, i): Row => {
        const system = `urn:system:${round}:${i}`;
        return { kind: 'token', param: 'identifier', system, code: String(i) };
      });
      const more: readonly Item[] = [
        { id: round, commit: { writes: [write('a', { rows: many })] }, isPart: false },
      ];
      const parcel = packer.pack(more);
      expect(parcel.names).not.toContain('subject');
      expect(plain(unpacker.unpack(overThere(parcel)))).toEqual(plain(more));
    }
    expect(plain(unpacker.unpack(overThere(packer.pack(items))))).toEqual(plain(items));
  });

  it('is not read where one before it was lost, which would give its names to others', () => {
    const packer = new Packer();
    const unpacker = new Unpacker();
    packer.pack(items);
    const next = overThere(packer.pack(items));
    expect(() => unpacker.unpack(next)).toThrow('lost');
  });
});

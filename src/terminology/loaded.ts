// Code systems loaded in bulk (`tsela terminology load`): kept as compressed pieces of their arrays in the documents of the
// server, read into memory when they are asked for, the longest unused forgotten first.
// Surprising why: documents and not files: they are the one place that every server process reaches, on either store.
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import type { CodeSystemHead } from './code-system.js';
import { conceptsOf, type ConceptArrays, type Concepts } from './concepts.js';

/** What is needed of a place for documents; storage/documents.ts is one. */
export interface Shelf {
  get(
    collection: string,
    key: string,
  ): Promise<{ readonly value: unknown; readonly revision: number } | undefined>;
  put(
    collection: string,
    key: string,
    value: unknown,
    options?: { readonly expected?: number },
  ): Promise<number | undefined>;
  delete(collection: string, key: string): Promise<boolean>;
  list(
    collection: string,
    options?: { prefix?: string; after?: string; limit?: number },
  ): Promise<readonly { readonly key: string; readonly value: unknown }[]>;
}

/** What there is of a loaded system without its concepts. */
export interface LoadedSystem extends CodeSystemHead {
  /** Of this loading; a system that is loaded again has another. */
  readonly id: string;
  readonly concepts: number;
  /** Of the arrays. */
  readonly bytes: number;
  readonly pieces: number;
  /** Canonical of what it supplements, where it is a supplement. */
  readonly supplements?: string | undefined;
  /** ISO 8601. */
  readonly loaded: string;
}

const heads = 'terminology-systems';
const pieces = 'terminology-pieces';
const pieceBytes = 4 * 1024 * 1024;

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);

const keyOf = ({ url, version }: { readonly url: string; readonly version?: string | undefined }): string =>
  `${url}|${version ?? ''}`;
const pieceKey = (id: string, index: number): string => `${id}/${String(index).padStart(6, '0')}`;

/** Keeps a system in place of the one of its url and version. Until it is there as a whole, the one before stays. */
export async function keepSystem(
  shelf: Shelf,
  head: CodeSystemHead & { readonly supplements?: string | undefined },
  arrays: ConceptArrays,
): Promise<LoadedSystem> {
  const before = await shelf.get(heads, keyOf(head));
  const packed = pack(arrays);
  const id = randomUUID();
  const count = Math.ceil(packed.length / pieceBytes);
  for (let i = 0; i < count; i++) {
    const piece = packed.subarray(i * pieceBytes, (i + 1) * pieceBytes);
    const small = await deflate(piece, { level: constants.Z_BEST_SPEED + 3 });
    await shelf.put(pieces, pieceKey(id, i), small.toString('base64'));
  }
  const system: LoadedSystem = {
    ...head,
    id,
    concepts: arrays.flags.length,
    bytes: packed.length,
    pieces: count,
    loaded: new Date().toISOString(),
  };
  await shelf.put(heads, keyOf(head), system);
  if (before !== undefined) await removePieces(shelf, before.value as LoadedSystem);
  return system;
}

/** Whether there was one. */
export async function forgetSystem(shelf: Shelf, url: string, version: string | undefined): Promise<boolean> {
  const found = await shelf.get(heads, keyOf({ url, version }));
  if (found === undefined) return false;
  await shelf.delete(heads, keyOf({ url, version }));
  await removePieces(shelf, found.value as LoadedSystem);
  return true;
}

async function removePieces(shelf: Shelf, { id, pieces: count }: LoadedSystem): Promise<void> {
  for (let i = 0; i < count; i++) await shelf.delete(pieces, pieceKey(id, i));
}

export async function listSystems(shelf: Shelf): Promise<readonly LoadedSystem[]> {
  return (await shelf.list(heads)).map(({ value }) => value as LoadedSystem);
}

/** @throws Error where pieces are missing: the system was replaced meanwhile. */
export async function readConcepts(shelf: Shelf, system: LoadedSystem): Promise<Concepts> {
  const packed = Buffer.allocUnsafeSlow(system.bytes);
  let used = 0;
  for (let i = 0; i < system.pieces; i++) {
    const piece = await shelf.get(pieces, pieceKey(system.id, i));
    if (typeof piece?.value !== 'string') throw new Error(`${keyOf(system)} was replaced while it was read`);
    used += (await inflate(Buffer.from(piece.value, 'base64'))).copy(packed, used);
  }
  if (used !== system.bytes) throw new Error(`${keyOf(system)} is damaged: load it again`);
  return conceptsOf(unpack(packed));
}

/** Where an array is, and of what kind. */
interface Placed {
  readonly array: 'Uint8Array' | 'Uint16Array' | 'Uint32Array';
  readonly at: number;
  readonly length: number;
}
const kinds = { Uint8Array, Uint16Array, Uint32Array };
const aligned = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Length of the head (4 bytes), the head as JSON with the place of each array, the arrays. Little-endian, as all our machines are. */
function pack(arrays: ConceptArrays): Buffer {
  const views: { readonly at: number; readonly view: ArrayBufferView }[] = [];
  let size = 0;
  const head = JSON.stringify(arrays, (_, value: unknown) => {
    if (!ArrayBuffer.isView(value)) return value;
    const view = value as Uint32Array;
    const at = size;
    views.push({ at, view });
    size = aligned(size + view.byteLength);
    return { array: view.constructor.name, at, length: view.length };
  });
  const headBytes = Buffer.from(head);
  const start = aligned(4 + headBytes.length);
  const packed = Buffer.alloc(start + size);
  packed.writeUInt32LE(headBytes.length);
  headBytes.copy(packed, 4);
  for (const { at, view } of views)
    Buffer.from(view.buffer, view.byteOffset, view.byteLength).copy(packed, start + at);
  return packed;
}

function unpack(packed: Buffer): ConceptArrays {
  const headLength = packed.readUInt32LE();
  const start = aligned(4 + headLength);
  return JSON.parse(packed.toString('utf8', 4, 4 + headLength), (_, value: unknown) => {
    const { array, at, length } = (value ?? {}) as Partial<Placed>;
    if (array === undefined || !Object.hasOwn(kinds, array)) return value;
    return new kinds[array](packed.buffer as ArrayBuffer, packed.byteOffset + start + at!, length);
  }) as ConceptArrays;
}

// Bodies in documents: exact bytes in place, or in chunks where a document (16 MB at most) would overflow. Chunks
// belong to a version and never change, so a version moves to history by taking its chunk count along.
import { Binary, type ClientSession } from 'mongodb';
import { FhirError } from '../../errors.js';
import type { Body, Chunk, Layout } from './layout.js';

/** Bodies above this go to chunks of this size: 12 MB leaves 4 MB of a document to its index fields. */
export const inPlace = 12 * 1024 * 1024;

/** The body's field of a version's document, and the chunks to be stored with it. `most`: so much may lie in place. */
export function split(
  resource: string,
  version: number,
  body: Uint8Array | undefined,
  most = inPlace,
): { field: Body; chunks: Chunk[] } {
  if (body === undefined) return { field: {}, chunks: [] };
  if (body.length <= most) return { field: { raw: new Binary(body) }, chunks: [] };
  const chunks: Chunk[] = [];
  for (let at = 0; at < body.length; at += inPlace) {
    const i = chunks.length;
    const data = new Binary(body.subarray(at, at + inPlace));
    chunks.push({ _id: `${resource}/${version}/${i}`, r: resource, v: version, data });
  }
  return { field: { parts: chunks.length }, chunks };
}

/** The bytes of a version; undefined for a deletion. */
export async function join(
  layout: Layout,
  resource: string,
  version: number,
  field: Body,
  session?: ClientSession,
): Promise<Uint8Array | undefined> {
  if (field.parts === undefined) return field.raw === undefined ? undefined : bytesOf(field.raw);
  const ids = Array.from({ length: field.parts }, (_, i) => `${resource}/${version}/${i}`);
  const found = await layout.chunks.find({ _id: { $in: ids } }, session ? { session } : {}).toArray();
  const byId = new Map(found.map(chunk => [chunk._id, bytesOf(chunk.data)]));
  const parts = ids.map(id => byId.get(id));
  if (parts.some(part => part === undefined)) {
    throw new FhirError(
      'internal',
      `A part of the body of ${resource}/_history/${version} is missing from the store.`,
    );
  }
  return Buffer.concat(parts as Uint8Array[]);
}

export const bytesOf = (binary: Binary): Uint8Array => binary.buffer.subarray(0, binary.position);

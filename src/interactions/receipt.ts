// Idempotency-Key: a request that carries one is carried out once; sent again, it gets the first answer again, even
// after the client or the server was killed between. The answer is stored in the same commit as the writes.
// Draft: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { FhirError } from '../errors.js';
import type { Receipt } from '../storage/store.js';
import { ReceiptFound } from './commit.js';
import type { Context } from './context.js';
import type { FhirResponse } from './exchange.js';

/** The receipt to store with the commit; undefined where the client sent no key. */
export type MakeReceipt = (response: FhirResponse) => Receipt | undefined;

/** Runs the interaction unless its key was served before. `serve` hands `commit` the receipt to be stored, if any. */
export async function once(
  context: Context,
  serve: (receipt: MakeReceipt) => Promise<FhirResponse>,
): Promise<FhirResponse> {
  const given = context.request.headers['idempotency-key'];
  if (given === undefined) return serve(noReceipt);
  if (given === '' || given.length > 255)
    throw new FhirError('value', 'Idempotency-Key must have 1 to 255 characters.');
  // Scoped to who asks: nobody else's key answers, or even shows that it exists.
  const key = createHash('sha256').update(`${context.grant.principal}\0${given}`).digest('base64url');
  const earlier = await context.store.receipt(key);
  if (earlier !== undefined) return unpack(earlier);
  try {
    return await serve(response => ({ key, body: pack(response) }));
  } catch (error) {
    if (!(error instanceof ReceiptFound)) throw error;
    const stored = await context.store.receipt(key);
    if (stored === undefined) throw error;
    return unpack(stored);
  }
}

const noReceipt: MakeReceipt = () => undefined;

const pack = ({ status, headers, body }: FhirResponse): Uint8Array =>
  deflateRawSync(
    JSON.stringify({
      status,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : Buffer.from(body).toString() }),
    }),
  );

const unpack = (bytes: Uint8Array): FhirResponse =>
  JSON.parse(inflateRawSync(bytes).toString()) as FhirResponse;

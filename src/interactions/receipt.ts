// Idempotency-Key: a request that carries one is carried out once; sent again, it gets the first answer again, even
// after the client or the server was killed between. The answer is stored in the same commit as the writes, and a
// request that failed leaves nothing behind. The same key with another request is refused.
// Draft: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { FhirError } from '../errors.js';
import type { Receipt } from '../storage/store.js';
import type { Context } from './context.js';
import type { FhirRequest } from './exchange.js';

/** Makes the receipt to be stored with the commit; there is none where the client sent no key. */
export type MakeReceipt<T> = ((answer: T) => Receipt) | undefined;

/** A receipt is one record of the store: MongoDB's hold 16 MB. */
const mostBytes = 8 * 1024 * 1024;

/**
 * Runs `serve` unless its key was served before. What it answers is kept as JSON.
 * @throws FhirError `key-reused` where the key came with another request.
 */
export async function once<T>(context: Context, serve: (receipt: MakeReceipt<T>) => Promise<T>): Promise<T> {
  const { request, grant, store } = context;
  const given = request.headers['idempotency-key'];
  if (given === undefined) return serve(undefined);
  if (given === '' || given.length > 255)
    throw new FhirError('value', 'Idempotency-Key must have 1 to 255 characters.');
  // Scoped to who asks: nobody else's key answers, or even shows that it exists.
  const key = digest([grant.id, given]);
  const print = fingerprint(request);
  const earlier = async (): Promise<T | undefined> => {
    const stored = await store.receipt(key);
    return stored === undefined ? undefined : unpack<T>(stored, print);
  };
  const first = await earlier();
  if (first !== undefined) return first;
  try {
    return await serve(answer => ({ key, body: pack(answer, print) }));
  } catch (error) {
    // The same request may have been served meanwhile, and what it did may be the reason why this one failed.
    const answer = await earlier();
    if (answer !== undefined) return answer;
    throw error;
  }
}

const digest = (parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('base64url');
};

/** What makes two requests the same: what they ask for, under which conditions, with which body. */
const fingerprint = ({ method, path, query, headers, body }: FhirRequest): string =>
  digest([
    method,
    JSON.stringify([path, query]),
    ...['if-match', 'if-none-match', 'if-none-exist', 'if-unmodified-since', 'x-provenance'].map(
      name => headers[name] ?? '',
    ),
    body ?? '',
  ]);

function pack(answer: unknown, print: string): Uint8Array {
  const bytes = deflateRawSync(JSON.stringify({ print, answer }), { level: 1 });
  if (bytes.length > mostBytes) {
    throw new FhirError(
      'too-large',
      'The answer is too large to be kept for the Idempotency-Key: ask for it with Prefer: return=minimal.',
    );
  }
  return bytes;
}

function unpack<T>(bytes: Uint8Array, print: string): T {
  const kept = JSON.parse(inflateRawSync(bytes).toString()) as { print: string; answer: T };
  if (kept.print === print) return kept.answer;
  throw new FhirError(
    'key-reused',
    'This Idempotency-Key came before with another request; give every request a key of its own.',
  );
}

// Idempotency-Key: a request that carries one is carried out once; sent again, it gets the first answer again, even
// after the client or the server was killed between. What became of it is stored in the same commit as the writes, and a
// request that failed leaves nothing behind. The same key with another request is refused. Kept is which version was
// made, never what it says: the record stays in one place, where it can be hidden and removed for good.
// Draft: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
import { createHash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { FhirError } from '../errors.js';
import type { Receipt, Version } from '../storage/store.js';
import { isThere } from './answer.js';
import type { Context } from './context.js';
import type { FhirRequest } from './exchange.js';
import type { Result } from './prepare.js';

/** What became of a request, by entry; null where an entry writes nothing. */
export type Results = readonly (Result | null)[];

/** Makes the receipt to be stored with the commit; there is none where the client sent no key. */
export type MakeReceipt = ((results: Results) => Receipt) | undefined;

/**
 * Runs `serve` unless its key was served before: then its results are the first ones, with the bodies this caller may
 * see today, or without them where the answer does not `show` them.
 * @throws FhirError `key-reused` where the key came with another request.
 */
export async function once(
  context: Context,
  show: boolean,
  serve: (receipt: MakeReceipt) => Promise<Results>,
): Promise<Results> {
  const { request, grant, store } = context;
  const given = request.headers['idempotency-key'];
  if (given === undefined) return serve(undefined);
  if (given === '' || given.length > 255)
    throw new FhirError('value', 'Idempotency-Key must have 1 to 255 characters.');
  // Scoped to who asks: nobody else's key answers, or even shows that it exists.
  const key = digest([grant.id, given]);
  const print = fingerprint(request);
  const earlier = async (): Promise<Results | undefined> => {
    const stored = await store.receipt(key);
    if (stored === undefined) return undefined;
    const results: (Result | null)[] = [];
    for (const kept of unpack(stored, print)) results.push(show && kept ? await withBody(kept) : kept);
    return results;
  };
  const withBody = async (kept: Result): Promise<Result> => {
    if (!isThere(kept.version)) return kept;
    const version = await store.read(kept.version.ref, kept.version.version);
    // Expunged and created anew, a resource counts its versions from 1 again.
    return version?.lastUpdated === kept.version.lastUpdated ? { ...kept, version } : kept;
  };
  const first = await earlier();
  if (first !== undefined) return first;
  try {
    return await serve(results => ({ key, body: pack(results, print) }));
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

const pack = (results: Results, print: string): Uint8Array =>
  deflateRawSync(JSON.stringify({ print, results: results.map(withoutBody) }), { level: 1 });

function withoutBody(result: Result | null): Result | null {
  if (result?.version === undefined) return result;
  const { ref, version, lastUpdated, method }: Version = result.version;
  return { ...result, version: { ref, version, lastUpdated, method } };
}

function unpack(bytes: Uint8Array, print: string): Results {
  const kept = JSON.parse(inflateRawSync(bytes).toString()) as { print: string; results: Results };
  if (kept.print === print) return kept.results;
  throw new FhirError(
    'key-reused',
    'This Idempotency-Key came before with another request; give every request a key of its own.',
  );
}

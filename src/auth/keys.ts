// The keys that sign id_tokens: made here, sealed in the store, newest first. An older key stays published for as long as
// what it signed is valid. https://www.rfc-editor.org/rfc/rfc7517
import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import type { JWK } from 'oidc-provider';
import type { Documents } from '../storage/documents.js';
import type { Secrets } from './secrets.js';

interface KeyPair {
  readonly created: number;
  readonly keys: readonly JWK[];
}

/** A new pair is made after so long, when the server starts or looks. */
const rotateAfter = 90 * 24 * 3_600_000;
/** An old pair is published so long after it was replaced; longer than any id_token is valid. */
const keepFor = 7 * 24 * 3_600_000;

export interface SigningKeys {
  /** Changes when the keys do. */
  readonly revision: number;
  /** Private, newest first. */
  readonly keys: readonly JWK[];
}

/** The keys in force; makes the first, or new ones where the newest are due, or `rotate` says so. */
export async function signingKeys(
  documents: Documents,
  secrets: Secrets,
  rotate = false,
): Promise<SigningKeys> {
  for (;;) {
    const document = await documents.get('settings', 'signing-keys');
    const pairs =
      document === undefined
        ? []
        : (secrets.open('signing keys', document.value as string) as readonly KeyPair[]);
    const newest = pairs[0];
    const isDue = newest === undefined || rotate || newest.created < Date.now() - rotateAfter;
    if (!isDue && document !== undefined)
      return { revision: document.revision, keys: pairs.flatMap(({ keys }) => keys) };
    const kept = pairs.filter((_, i) => i === 0 || pairs[i - 1]!.created > Date.now() - keepFor);
    const next = [await freshPair(), ...kept];
    const revision = await documents.put('settings', 'signing-keys', secrets.seal('signing keys', next), {
      expected: document?.revision ?? 0,
    });
    if (revision !== undefined) return { revision, keys: next.flatMap(({ keys }) => keys) };
  }
}

async function freshPair(): Promise<KeyPair> {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const named = async (key: object, alg: string): Promise<JWK> => ({
    ...key,
    alg,
    use: 'sig',
    kid: await calculateJwkThumbprint(key),
  });
  return { created: Date.now(), keys: [await named(rsa, 'RS256'), await named(ec, 'ES256')] };
}

// The server's own secret and what is derived from it: cookie keys, sealed private keys. Whatever names a secret in the
// store is kept as its hash, so that a copy of the store opens nothing.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  hash,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import type { Documents } from '../storage/documents.js';

export interface Secrets {
  /** A key of its own for each purpose, 32 bytes. */
  derive(purpose: string): Buffer;
  /** Any JSON, encrypted for the purpose (AES-256-GCM). */
  seal(purpose: string, value: unknown): string;
  /** @throws where it was sealed with another secret or for another purpose */
  open(purpose: string, sealed: string): unknown;
}

/** From the configured secret, else one made once and kept in the store. */
export async function openSecrets(documents: Documents, configured: string | undefined): Promise<Secrets> {
  if (configured !== undefined) return secretsOf(Buffer.from(configured));
  await documents.put('settings', 'auth-secret', randomBytes(32).toString('base64'), { expected: 0 });
  const kept = await documents.get('settings', 'auth-secret');
  return secretsOf(Buffer.from(kept?.value as string, 'base64'));
}

function secretsOf(root: Buffer): Secrets {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', root, 'tsela', `tsela ${purpose}`, 32));
  return {
    derive,
    seal(purpose, value) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', derive(purpose), nonce);
      const sealed = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
    },
    open(purpose, sealed) {
      const bytes = Buffer.from(sealed, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', derive(purpose), bytes.subarray(0, 12), {
        authTagLength: 16,
      });
      decipher.setAuthTag(bytes.subarray(12, 28));
      return JSON.parse(
        Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString(),
      ) as unknown;
    },
  };
}

/** How a secret of high entropy (tokens, codes, generated client secrets) is kept. */
export const hashed = (secret: string): string => hash('sha256', secret, 'base64url');

export const equalTexts = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());

/** 192 bits unless told otherwise, in characters that are safe everywhere. */
export const randomText = (bytes = 24): string => randomBytes(bytes).toString('base64url');

/** What only a page of the session can know; its forms carry it. */
export const sealOf = (secrets: Secrets, sessionUid: string): string =>
  hashed(`${secrets.derive('forms').toString('hex')} ${sessionUid}`);

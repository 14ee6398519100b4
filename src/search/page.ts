// Page links: an encrypted token holds the search and where its next page starts, so that no URL, log or browser history
// shows a search value, and nobody else's grant can use it. https://hl7.org/fhir/R4/http.html#paging
// AES-256-GCM; the grant and path are not in the token but authenticated with it.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { FhirError } from '../errors.js';
import type { Position } from './plan.js';

export interface CursorContent {
  readonly position: Position;
  /** Where the pages before this one started, the nearest last. */
  readonly before?: readonly Position[];
  /** The search's parameters as understood. */
  readonly params: readonly (readonly [name: string, value: string])[];
}

/** Whom the link is for and what it is a link of; a token opened with another binding is refused. */
export interface CursorBinding {
  /** The grant's id. */
  readonly grant: string;
  /** What was searched, such as `Patient` or `Patient/1/_history`. */
  readonly path: string;
}

const nonceBytes = 12;
/** Drawn many at a time: a draw costs the same for one as for many. */
let nonces = Buffer.alloc(0);
function freshNonce(): Buffer {
  if (nonces.length === 0) nonces = randomBytes(nonceBytes * 256);
  const nonce = nonces.subarray(0, nonceBytes);
  nonces = nonces.subarray(nonceBytes);
  return nonce;
}
const tagBytes = 16;
/** Content longer than this is compressed, which takes longer than all the rest of the page's assembling. */
const long = 1000;
const maxContent = 1 << 20;

const additional = ({ grant, path }: CursorBinding): Buffer =>
  Buffer.from(JSON.stringify(['cursor 1', grant, path]));

/** `key`: 32 bytes, the same for all processes of a server. */
export function sealCursor(
  key: Uint8Array,
  { position, before, params, ...binding }: CursorContent & CursorBinding,
): string {
  const json = JSON.stringify([position, params, before]);
  const content =
    json.length > long ? Buffer.concat([Buffer.of(1), deflateRawSync(json)]) : Buffer.from(`\u0000${json}`);
  const nonce = freshNonce();
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(additional(binding));
  const sealed = cipher.update(content);
  cipher.final(); // a stream cipher: nothing is left
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
}

/** @throws FhirError `invalid-cursor` */
export function openCursor(key: Uint8Array, cursor: string, binding: CursorBinding): CursorContent {
  try {
    const bytes = Buffer.from(cursor, 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    });
    decipher.setAAD(additional(binding)).setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
    const content = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
    const body = content.subarray(1);
    const json = content[0] === 1 ? inflateRawSync(body, { maxOutputLength: maxContent }) : body;
    const [position, params, before] = JSON.parse(json.toString()) as [
      Position,
      CursorContent['params'],
      CursorContent['before'] | null,
    ];
    return { position, params, ...(before ? { before } : {}) };
  } catch (cause) {
    throw new FhirError(
      'invalid-cursor',
      'This page link was altered, is not for you, or is from another search; search again.',
      { cause },
    );
  }
}

// Proof that whoever sends a token has the key it was issued to, made anew for each request and good for it alone.
// https://www.rfc-editor.org/rfc/rfc9449#section-4.3
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import type { Documents } from '../storage/documents.js';
import { equalTexts, hashed } from './secrets.js';

/** What a proof has to be about. */
export interface Proven {
  /** The DPoP header as it came. */
  readonly proof: string | undefined;
  readonly method: string;
  /** As clients know it, whatever is in front of this server; a query does not matter. */
  readonly url: string;
}

export const proofAlgorithms = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA'] as const;

/** Seconds that a proof is good for, and that clocks may differ. */
const goodFor = 60;
const collection = 'dpop-proofs';

/**
 * Checks a proof and uses it up.
 * @param jkt thumbprint of the key the token is bound to
 * @returns why it is none; undefined where it is one, and was not used
 */
export async function proofProblem(
  documents: Documents,
  { proof, method, url }: Proven,
  token: string,
  jkt: string,
): Promise<string | undefined> {
  if (proof === undefined) return 'the DPoP header is missing';
  let verified;
  try {
    verified = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: [...proofAlgorithms],
      typ: 'dpop+jwt',
      requiredClaims: ['jti', 'htm', 'htu', 'iat', 'ath'],
      clockTolerance: goodFor,
    });
  } catch {
    return 'the proof is not signed as it should be, or incomplete';
  }
  const { jti, htm, htu, iat = 0, ath } = verified.payload;
  if (typeof jti !== 'string' || jti === '' || jti.length > 500) return 'jti has to be text';
  if (htm !== method) return 'htm is another method';
  if (typeof htu !== 'string' || addressOf(htu) === undefined || addressOf(htu) !== addressOf(url))
    return 'htu is another address';
  const now = Date.now() / 1000;
  if (Math.abs(now - iat) > goodFor) return 'iat is too old, or in the future';
  if (typeof ath !== 'string' || !equalTexts(ath, hashed(token))) return 'ath is of another token';
  if (!equalTexts(await calculateJwkThumbprint(verified.protectedHeader.jwk!), jkt))
    return 'it is the key of another token';
  const unused = await documents.put(collection, hashed(`${jkt} ${jti}`), true, {
    expected: 0,
    expires: (iat + goodFor + 1) * 1000,
  });
  return unused === undefined ? 'the proof was used' : undefined;
}

/** Without query and fragment, and written in one way (RFC 3986 section 6.2). */
function addressOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, host, pathname, username, password } = new URL(text);
  if (username !== '' || password !== '') return undefined;
  const path = pathname.replace(/%[0-9a-f]{2}/gi, code => {
    const character = String.fromCharCode(parseInt(code.slice(1), 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : code.toUpperCase();
  });
  return `${protocol}//${host}${path}`;
}

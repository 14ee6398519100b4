// Tokens with which an app may register itself. Made without the library, so that a command can hand one out.
// https://www.rfc-editor.org/rfc/rfc7591#section-3 (initial access token)
import type { Documents } from '../storage/documents.js';
import { hashed, randomText } from './secrets.js';

/** What each token allows at most. */
export const registrationTokens = 'registration-tokens';
const validFor = 7 * 24 * 3600;

/** A token that registers one app with at most these scopes, within a week. */
export async function issueRegistrationToken(
  documents: Documents,
  scopes: readonly string[],
): Promise<string> {
  const value = randomText(32);
  const iat = Math.floor(Date.now() / 1000);
  const expires = (iat + validFor) * 1000;
  await documents.put(registrationTokens, hashed(value), scopes, { expires });
  const token = { kind: 'InitialAccessToken', iat, exp: iat + validFor, policies: ['smart'] };
  await documents.put('oidc-InitialAccessToken', hashed(value), token, { expires });
  return value;
}

// Dynamic registration behind initial tokens: an administrator hands one out with the most it may ask for; it registers
// one app. https://www.rfc-editor.org/rfc/rfc7591
// Surprising why: metadata of ours, such as what a client may be granted, is overwritten here; the library would take it
// from whoever registers.
import { errors, type ClientMetadata, type KoaContextWithOIDC } from 'oidc-provider';
import type { Documents } from '../storage/documents.js';
import { registrationTokens as collection } from './registration-token.js';
import { granted, scopesIn } from './scopes.js';
import { hashed } from './secrets.js';

export const registrationPolicy =
  (documents: Documents) =>
  async (ctx: KoaContextWithOIDC, metadata: ClientMetadata): Promise<void> => {
    const token = ctx.oidc.entities.InitialAccessToken;
    const taken = token && (await documents.take(collection, hashed(token.jti)));
    if (token === undefined || taken === undefined)
      throw new errors.InvalidToken('the initial access token was used');
    await token.destroy();
    const scopes = granted(scopesIn(metadata.scope), taken.value as readonly string[]);
    if (scopes.length === 0)
      throw new errors.InvalidClientMetadata('scope: nothing of it may be registered with this token');
    const isApp = (metadata.redirect_uris ?? []).length > 0;
    const isLasting = scopes.some(scope => scope === 'offline_access' || scope === 'online_access');
    const isService =
      metadata.token_endpoint_auth_method !== 'none' && scopes.some(scope => scope.startsWith('system/'));
    delete metadata.scope;
    Object.assign(metadata, {
      allowed_scopes: scopes.join(' '),
      introspect: false,
      launches: false,
      trusted: false,
      redirect_uris: metadata.redirect_uris ?? [],
      response_types: isApp ? ['code'] : [],
      grant_types: [
        ...(isApp ? ['authorization_code'] : []),
        ...(isApp && isLasting ? ['refresh_token'] : []),
        ...(isService ? ['client_credentials'] : []),
      ],
    });
  };

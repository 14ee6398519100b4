// Keys of clients, fetched from where they publish them: over TLS, never through a redirect, never from this machine or
// a private network unless the configuration says so, kept at most five minutes, and fetched anew for a key not yet known.
// https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
import { decodeProtectedHeader, decodeJwt } from 'jose';
import type { Client, Provider } from 'oidc-provider';

const longest = 300;
const refetchAfter = 30_000;

type Fetch = typeof fetch;

export function fetchKeys(isPrivateAllowed: boolean): Fetch {
  return async (url, options) => {
    const { protocol, hostname } = new URL(url instanceof Request ? url.url : url);
    const isLocal = isPrivateAllowed && ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
    if (protocol !== 'https:' && !isLocal) throw new Error('jwks_uri has to be https');
    const asked: RequestInit & { dispatcher?: unknown } = { ...options, redirect: 'error' };
    // The library's dispatcher refuses loopback and private addresses.
    if (isPrivateAllowed) delete asked.dispatcher;
    const response = await fetch(url, asked);
    const headers = new Headers(response.headers);
    headers.delete('expires');
    const age = Number(/max-age=(\d+)/.exec(headers.get('cache-control') ?? '')?.[1] ?? 0);
    headers.set('cache-control', `max-age=${Math.min(age, longest)}`);
    return new Response(response.body, { status: response.status, headers });
  };
}

interface KeyStore extends Iterable<{ readonly kid?: string }> {
  freshUntil?: number;
}
const refetched = new WeakMap<Client, number>();

/** A key that the client published since its keys were read is asked for at once, but not more often than every 30 s. */
export async function knowNewKey(provider: Provider, assertion: string): Promise<void> {
  let kid: string | undefined;
  let sub: string | undefined;
  try {
    ({ kid } = decodeProtectedHeader(assertion));
    ({ sub } = decodeJwt(assertion));
  } catch {
    return; // the library says what is wrong with it
  }
  if (kid === undefined || sub === undefined) return;
  const client = await provider.Client.find(sub);
  if (client?.jwksUri === undefined) return;
  const keys = client['asymmetricKeyStore'] as KeyStore | undefined;
  if (keys === undefined || keys.freshUntil === undefined || [...keys].some(key => key.kid === kid)) return;
  const last = refetched.get(client) ?? 0;
  if (Date.now() - last < refetchAfter) return;
  refetched.set(client, Date.now());
  keys.freshUntil = 0;
}

// Another OpenID provider, whole and on a port of its own: who comes there is whoever the test says, signed in the way the
// test says.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generateKeyPairSync } from 'node:crypto';
import { Provider, type Configuration } from 'oidc-provider';

export interface UpstreamProvider {
  readonly issuer: string;
  /** Who signs in there from now on; undefined: nobody wants to. */
  person: { readonly sub: string; readonly amr: readonly string[] } | undefined;
  stop(): Promise<void>;
}

/** @param redirectUri where it may lead back to. @param wrong what it does wrong */
export async function openUpstreamProvider(
  redirectUri: string,
  wrong: { foreignKeys?: boolean } = {},
): Promise<UpstreamProvider> {
  const server: Server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const keys = (): object =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const upstream: UpstreamProvider = {
    issuer,
    person: undefined,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const jwks = { keys: [{ ...keys(), use: 'sig', kid: 'up', alg: 'ES256' }] };
  const configuration = {
    clients: [
      {
        client_id: 'tsela',
        client_secret: 'a secret of the two',
        redirect_uris: [redirectUri],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks,
    claims: { openid: ['sub', 'amr'] },
    cookies: { keys: ['upstream'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    loadExistingGrant: async (ctx: {
      oidc: { client: { clientId: string }; session: { accountId: string } };
    }) => {
      const grant = new provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  };
  const provider: Provider = new Provider(issuer, configuration as unknown as Configuration);
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { person } = upstream;
    const result =
      person === undefined
        ? { error: 'access_denied' }
        : { login: { accountId: person.sub, amr: [...person.amr], remember: false } };
    await provider.interactionFinished(ctx.req, ctx.res, result);
    ctx.respond = false;
  });
  const handle = provider.callback();
  server.on('request', (req, res) => {
    if (wrong.foreignKeys === true && req.url === '/jwks') {
      const { d: _, ...other } = { d: '', ...keys(), kid: 'up', alg: 'ES256', use: 'sig' };
      res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [other] }));
    } else void handle(req, res);
  });
  return upstream;
}

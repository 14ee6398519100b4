// The EHR's side of an EHR launch: software that is allowed to, with the token of whoever uses it, asks for a launch value
// and gets the address to open. https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch
import type { KoaContextWithOIDC } from 'oidc-provider';
import { FhirError } from '../errors.js';
import type { JsonObject } from '../fhir/json.js';
import { readLaunchContext, type Launches } from './approvals.js';
import type { Caller } from './authenticate.js';
import type { Clients } from './clients.js';
import type { Directory } from './directory.js';
import type { Middleware } from './endpoints.js';
import type { AccessEvent } from './events.js';

export interface LaunchOptions {
  readonly clients: Clients;
  readonly launches: Launches;
  readonly directory: Directory;
  /** @throws FhirError `not-authenticated` */
  readonly callerOf: (ctx: KoaContextWithOIDC) => Promise<Caller & { readonly base: string }>;
  readonly onEvent: (event: AccessEvent) => void;
}

const mostBytes = 64 * 1024;

/** POST /launch with `{ client_id, patient, encounter, … }` → `{ launch, iss, launch_uri }`. */
export const launchEndpoint =
  (options: LaunchOptions): Middleware =>
  async (ctx, next) => {
    if (ctx.path !== '/launch' || ctx.method !== 'POST') return void (await next());
    ctx.set('cache-control', 'no-store');
    try {
      ctx.body = await startLaunch(options, ctx);
      ctx.status = 201;
    } catch (error) {
      if (!(error instanceof FhirError)) throw error;
      ctx.status = error.status;
      for (const [name, value] of Object.entries(error.headers)) ctx.set(name, value);
      ctx.body = { error: error.code, error_description: error.message };
    }
  };

async function startLaunch(options: LaunchOptions, ctx: KoaContextWithOIDC): Promise<object> {
  const { clients, launches, directory, callerOf, onEvent } = options;
  const { identity, grant, base } = await callerOf(ctx);
  const opener = await clients.find(identity.clientId);
  if (opener?.launches !== true || identity.user === undefined)
    throw new FhirError('forbidden', 'Only software that is registered to launch apps may, for its user.');
  const { client_id: clientId, ...rest } = await readObject(ctx);
  const client = typeof clientId === 'string' ? await clients.find(clientId) : undefined;
  if (client === undefined || client.redirectUris.length === 0)
    throw new FhirError('value', 'client_id: the id of a registered app is expected.');
  const context = readLaunchContext(rest);
  if (context.patient !== undefined && (await directory.patient(base, grant, context.patient)) === undefined)
    throw new FhirError('value', 'patient: there is no such patient.');
  if (context.encounter !== undefined) {
    const visits =
      context.patient === undefined
        ? []
        : await directory.encounters(base, grant, context.patient, context.encounter);
    if (visits.length === 0)
      throw new FhirError('value', 'encounter: there is no such encounter of the patient.');
  }
  const launch = await launches.start({
    clientId: client.id,
    aud: base,
    account: identity.user.account,
    context,
  });
  onEvent({ kind: 'launch', account: identity.user.account, client: client.id });
  const uri = client.launchUri;
  return {
    launch,
    iss: base,
    ...(uri === undefined ? {} : { launch_uri: launchAddress(uri, base, launch) }),
  };
}

/** What the browser opens to start the app. */
export const launchAddress = (uri: string, iss: string, launch: string): string =>
  `${uri}${uri.includes('?') ? '&' : '?'}${new URLSearchParams({ iss, launch }).toString()}`;

/** @throws FhirError `invalid-json`, `too-large` */
async function readObject(ctx: KoaContextWithOIDC): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req) {
    size += (chunk as Buffer).length;
    if (size <= mostBytes) chunks.push(chunk as Buffer);
  }
  if (size > mostBytes) throw new FhirError('too-large', `A launch has at most ${mostBytes} bytes.`);
  try {
    const value = JSON.parse(Buffer.concat(chunks).toString()) as unknown;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // told below
  }
  throw new FhirError('invalid-json', 'A JSON object is expected.');
}

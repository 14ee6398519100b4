// tsela client: which apps and backend services there are. Works on the documents of the store, also while a server runs.
import { readFileSync } from 'node:fs';
import type { Clients } from '../auth/clients.js';
import type { Documents } from '../storage/documents.js';
import { Problem, sentenceOf } from './problem.js';
import { withDocuments, type DataOptions } from './target.js';

export interface ClientAddOptions extends DataOptions {
  readonly id?: string;
  readonly redirect?: readonly string[];
  readonly scope: string;
  readonly secret?: boolean;
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly launchUri?: string;
  readonly introspect?: boolean;
  readonly ehr?: boolean;
  readonly trusted?: boolean;
  readonly state?: readonly string[];
  readonly dpop?: boolean;
}

async function withClients<T>(
  options: DataOptions,
  work: (clients: Clients, documents: Documents) => Promise<T>,
): Promise<T> {
  const { openClients } = await import('../auth/clients.js');
  return withDocuments(options, documents =>
    work(
      openClients(documents, () => undefined),
      documents,
    ),
  );
}

const scopesOf = (text: string): readonly string[] => text.split(/\s+/).filter(scope => scope !== '');

export async function addClient(name: string, options: ClientAddOptions): Promise<number> {
  const {
    id,
    redirect = [],
    scope,
    jwks,
    jwksUri,
    launchUri,
    introspect,
    ehr,
    trusted,
    state,
    dpop,
  } = options;
  if (options.secret === true && (jwks !== undefined || jwksUri !== undefined))
    throw new Problem(
      '--secret and --jwks or --jwks-uri exclude each other.',
      'An assertion is the better proof.',
    );
  const kind =
    jwks !== undefined || jwksUri !== undefined ? 'key' : options.secret === true ? 'secret' : 'public';
  const { client, secret } = await withClients(options, clients =>
    clients.add({
      name,
      kind,
      redirectUris: redirect,
      scopes: scopesOf(scope),
      ...(id === undefined ? {} : { id }),
      ...(jwks === undefined ? {} : { jwks: keysIn(jwks) }),
      ...(jwksUri === undefined ? {} : { jwksUri }),
      ...(launchUri === undefined ? {} : { launchUri }),
      ...(introspect === true ? { introspect } : {}),
      ...(ehr === true ? { launches: true } : {}),
      ...(trusted === true ? { trusted } : {}),
      ...(state === undefined ? {} : { state }),
      ...(dpop === true ? { dpop } : {}),
    }),
  );
  process.stdout.write(
    [
      `Added ${client.name}.`,
      `  client_id      ${client.id}`,
      ...(secret === undefined ? [] : [`  client_secret  ${secret}  (shown once)`]),
      '',
    ].join('\n'),
  );
  return 0;
}

/** @throws Problem where the file is no key set */
function keysIn(file: string): { keys: { kty: string }[] } {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Problem(`${file} cannot be read: ${sentenceOf(cause)}`, 'A JSON Web Key Set is expected.', {
      cause,
    });
  }
  const { keys } = value as { keys?: unknown };
  if (!Array.isArray(keys) || keys.length === 0)
    throw new Problem(`${file} is no key set.`, 'Expected: { "keys": [ … ] } with public keys.');
  if (keys.some(key => typeof key === 'object' && key !== null && 'd' in key))
    throw new Problem(
      `${file} has private keys.`,
      'Only the public ones belong here; keep the others to the client.',
    );
  return value as { keys: { kty: string }[] };
}

export async function listClients(options: DataOptions): Promise<number> {
  for (const client of await withClients(options, all => all.list())) {
    const { id, name, kind, redirectUris, scopes } = client;
    process.stdout.write(`${[id, name, kind, redirectUris.join(' '), scopes.join(' ')].join('\t')}\n`);
  }
  return 0;
}

export async function removeClient(id: string, options: DataOptions): Promise<number> {
  if (!(await withClients(options, clients => clients.remove(id))))
    throw new Problem(`There is no client "${id}".`, 'tsela client list shows them.');
  process.stdout.write(`${id} was removed; its tokens end within ten seconds.\n`);
  return 0;
}

/** Prints a token with which one app can register itself. */
export async function registrationToken(options: DataOptions & { readonly scope: string }): Promise<number> {
  const { issueRegistrationToken } = await import('../auth/registration-token.js');
  const token = await withClients(options, (_, documents) =>
    issueRegistrationToken(documents, scopesOf(options.scope)),
  );
  process.stdout.write(`${token}\n`);
  return 0;
}

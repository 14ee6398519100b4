// The OpenID providers people may sign in through, as the file of TSELA_LOGIN_PROVIDERS names them.
import { readFileSync } from 'node:fs';
import { ConfigError, isThisMachine } from '../config.js';

export interface LoginProvider {
  /** Part of the address it leads back to. */
  readonly id: string;
  /** What people know it by. */
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Absent for a public client. */
  readonly clientSecret?: string;
  /** Separated by spaces, with openid. */
  readonly scope: string;
}

const env = 'TSELA_LOGIN_PROVIDERS';
const names = new Set(['id', 'name', 'issuer', 'client_id', 'client_secret', 'scope']);

/** @throws ConfigError that names what is wrong in the file */
export function readLoginProviders(path: string | undefined): readonly LoginProvider[] {
  if (path === undefined) return [];
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError([`${env}: ${path} holds no JSON: ${(error as Error).message}`]);
  }
  if (!Array.isArray(given)) throw new ConfigError([`${env}: ${path} holds no list of providers`]);
  const providers = given.map((each: unknown, i) =>
    readProvider(each, `${env}: ${path}, provider ${i + 1}: `),
  );
  const twice = providers.find(({ id }, i) => providers.findIndex(other => other.id === id) !== i);
  if (twice !== undefined) throw new ConfigError([`${env}: ${path} has the id "${twice.id}" twice`]);
  return providers;
}

function readProvider(given: unknown, where: string): LoginProvider {
  const refuse = (why: string): never => {
    throw new ConfigError([where + why]);
  };
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return refuse('an object is expected');
  const values = given as Record<string, unknown>;
  const unknown = Object.keys(values).find(name => !names.has(name));
  if (unknown !== undefined) refuse(`"${unknown}" is not known; ${[...names].join(', ')} are`);
  const text = (name: string, form: RegExp, accepted: string): string => {
    const value = values[name];
    return typeof value === 'string' && form.test(value) ? value : refuse(`${name}: ${accepted} is expected`);
  };
  const issuer = text('issuer', /^https?:\/\/[^?#]+$/, 'an address with https');
  if (!URL.canParse(issuer) || (issuer.startsWith('http:') && !isThisMachine(issuer)))
    refuse('issuer: an address with https is expected');
  const scope =
    values['scope'] === undefined ? 'openid' : text('scope', /(?:^| )openid(?: |$)/, 'a list with openid');
  return {
    id: text('id', /^[a-z][a-z0-9-]{0,31}$/, 'up to 32 of a-z, 0-9 and "-", beginning with a letter,'),
    name: text('name', /\S/, 'what people know it by'),
    issuer,
    clientId: text('client_id', /\S/, 'what this server is registered as'),
    ...(values['client_secret'] === undefined ? {} : { clientSecret: text('client_secret', /\S/, 'text') }),
    scope,
  };
}

// Passwords by argon2id (RFC 9106), at most two at once: each takes 19 MiB and some 60 ms of a thread that the rest of
// the server needs too. OWASP's parameters: m = 19 MiB, t = 2, p = 1.
import { hash, verify } from '@node-rs/argon2';
import { FhirError } from '../errors.js';

/** Algorithm.Argon2id; the package's enum exists for its types only. */
const argon2id = 2;
const options = { algorithm: argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const atOnce = 2;
const mostWaiting = 100;

let running = 0;
const waiting: (() => void)[] = [];

/** @throws FhirError `too-many-requests` where too many wait: a flood of logins must not stop everything else */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= atOnce) {
    if (waiting.length >= mostWaiting)
      throw new FhirError('too-many-requests', 'Too many sign in at once: try again in a moment.');
    await new Promise<void>(resolve => waiting.push(resolve));
  } else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

const shortest = 10;

/** @throws FhirError `value` for a password nobody should have */
export async function hashPassword(password: string): Promise<string> {
  if (password.length < shortest || password.length > 500)
    throw new FhirError('value', `A password has at least ${shortest} characters.`);
  return inTurn(() => hash(password.normalize('NFKC'), options));
}

let dummy: Promise<string> | undefined;

/** Whether it is the password; an unknown account (undefined) costs the same and never is. */
export async function isPassword(stored: string | undefined, password: string): Promise<boolean> {
  const against = stored ?? (await (dummy ??= hash('nobody has this one', options)));
  const text = password.slice(0, 500).normalize('NFKC');
  const matches = await inTurn(() => verify(against, text));
  return stored !== undefined && matches;
}

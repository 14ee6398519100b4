// Passkeys: a key in a device or a security key, unlocked there by a PIN, a finger or a face, so that one of them counts as
// both factors. https://www.w3.org/TR/webauthn-3/
// Surprising why: a challenge is not kept but sealed, with the form it is for and its end in it, so that showing a page of
// sign-in writes nothing; that it was used is kept instead.
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
  type AuthenticationResponseJSON,
  type RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { decodeAttestationObject, decodeClientDataJSON, isoBase64URL } from '@simplewebauthn/server/helpers';
import { FhirError } from '../errors.js';
import type { Documents } from '../storage/documents.js';
import type { Account, Accounts, Passkey } from './accounts.js';
import { hashed, randomText, type Secrets } from './secrets.js';

export interface Passkeys {
  /** What the browser is asked, as JSON. @param session that shows the form */
  creation(account: Account, session: string): Promise<string>;
  /** @throws FhirError `value` where the answer does not fit what was asked, or there are too many */
  add(account: Account, session: string, answer: string, name: string): Promise<void>;
  /** What the browser is asked, as JSON. @param attempt that shows the form */
  request(attempt: string): Promise<string>;
  /** Whose passkey answered; undefined for every reason not to believe it. */
  accept(attempt: string, answer: string): Promise<Account | undefined>;
  /** Whether it was there. */
  remove(account: Account, id: string): Promise<boolean>;
}

interface Challenge {
  /** What it is for: the form, and whether it is to make or to use a passkey. */
  readonly of: string;
  readonly nonce: string;
  readonly until: number;
}

const owners = 'passkey-owners';
const used = 'passkey-challenges';
const purpose = 'passkey challenge';
/** ms */
const goodFor = 10 * 60_000;
const most = 20;
/** EdDSA, ES256, RS256 */
const algorithms = [-8, -7, -257];

/** @param origin where browsers have passkeys */
export function openPasskeys(
  documents: Documents,
  accounts: Accounts,
  secrets: Secrets,
  origin: string,
): Passkeys {
  const { hostname } = new URL(origin);
  const challengeFor = (of: string): Uint8Array<ArrayBuffer> => {
    const challenge: Challenge = { of, nonce: randomText(16), until: Date.now() + goodFor };
    return Uint8Array.from(Buffer.from(secrets.seal(purpose, challenge), 'base64url'));
  };
  /** Whether the challenge was made for this, and is used for the first time. */
  const isOurs = async (challenge: string, of: string): Promise<boolean> => {
    let known: Challenge;
    try {
      known = secrets.open(purpose, challenge) as Challenge;
    } catch {
      return false;
    }
    if (known.of !== of || known.until <= Date.now()) return false;
    const once = { expected: 0, expires: known.until };
    return (await documents.put(used, hashed(known.nonce), true, once)) !== undefined;
  };
  const making = (account: Account, session: string): string => `make ${account.id} ${hashed(session)}`;
  const using = (attempt: string): string => `use ${hashed(attempt)}`;

  return {
    async creation(account, session) {
      const options = await generateRegistrationOptions({
        rpName: 'Tsela',
        rpID: hostname,
        userName: account.name,
        userDisplayName: account.name,
        userID: Uint8Array.from(Buffer.from(account.id)),
        challenge: challengeFor(making(account, session)),
        attestationType: 'none',
        excludeCredentials: (account.passkeys ?? []).map(({ id }) => ({ id })),
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        supportedAlgorithmIDs: algorithms,
        timeout: goodFor,
      });
      return JSON.stringify(options);
    },
    async add(account, session, answer, name) {
      const refuse = (): never => {
        throw new FhirError('value', 'The passkey was not accepted. Try again.');
      };
      const response = readAnswer(answer) as RegistrationResponseJSON | undefined;
      const challenge = challengeIn(response);
      if (response === undefined || challenge === undefined || hasCertificates(response)) return refuse();
      if (!(await isOurs(challenge, making(account, session)))) return refuse();
      const made = await verifyRegistrationResponse({
        response,
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: hostname,
        requireUserVerification: true,
        supportedAlgorithmIDs: algorithms,
      }).catch(() => undefined);
      if (made?.verified !== true) return refuse();
      const { id, publicKey, counter, transports } = made.registrationInfo.credential;
      const passkey: Passkey = {
        id,
        name: name.trim().slice(0, 60) || 'Passkey',
        publicKey: isoBase64URL.fromBuffer(publicKey),
        counter,
        ...(transports === undefined
          ? {}
          : { transports: transports.filter(each => /^[a-z-]{1,20}$/.test(each)).slice(0, 8) }),
        created: Date.now(),
      };
      if ((await documents.put(owners, hashed(id), account.id, { expected: 0 })) === undefined)
        return refuse();
      const changed = await accounts.change(account.id, each =>
        (each.passkeys ?? []).length < most
          ? { ...each, passkeys: [...(each.passkeys ?? []), passkey] }
          : each,
      );
      if (changed.passkeys?.some(each => each.id === id) === true) return;
      await documents.delete(owners, hashed(id));
      throw new FhirError('value', `An account has at most ${most} passkeys: remove one first.`);
    },
    async request(attempt) {
      const options = await generateAuthenticationOptions({
        rpID: hostname,
        challenge: challengeFor(using(attempt)),
        userVerification: 'required',
        timeout: goodFor,
      });
      return JSON.stringify(options);
    },
    async accept(attempt, answer) {
      const response = readAnswer(answer) as AuthenticationResponseJSON | undefined;
      const challenge = challengeIn(response);
      if (response === undefined || challenge === undefined) return undefined;
      if (!(await isOurs(challenge, using(attempt)))) return undefined;
      const { userHandle } = response.response;
      if (typeof userHandle !== 'string') return undefined;
      const account = await accounts.find(Buffer.from(userHandle, 'base64url').toString());
      const passkey = account?.passkeys?.find(({ id }) => id === response.id);
      if (account === undefined || passkey === undefined || account.disabled === true) return undefined;
      const found = await verifyAuthenticationResponse({
        response,
        expectedChallenge: challenge,
        expectedOrigin: origin,
        expectedRPID: hostname,
        credential: {
          id: passkey.id,
          publicKey: isoBase64URL.toBuffer(passkey.publicKey),
          counter: passkey.counter,
        },
        requireUserVerification: true,
      }).catch(() => undefined);
      if (found?.verified !== true) return undefined;
      return counted(accounts, account.id, passkey.id, found.authenticationInfo.newCounter);
    },
    async remove(account, id) {
      let was = false;
      await accounts.change(account.id, each => {
        const left = (each.passkeys ?? []).filter(passkey => passkey.id !== id);
        was = left.length < (each.passkeys ?? []).length;
        return was ? { ...each, passkeys: left } : each;
      });
      if (was) await documents.delete(owners, hashed(id));
      return was;
    },
  };
}

/** Keeps what the passkey counted; undefined where it is gone, or somebody else has counted as far: then there are two. */
async function counted(
  accounts: Accounts,
  account: string,
  id: string,
  counter: number,
): Promise<Account | undefined> {
  let isGood = false;
  const changed = await accounts.change(account, each => {
    const passkey = (each.passkeys ?? []).find(one => one.id === id);
    isGood =
      each.disabled !== true &&
      passkey !== undefined &&
      (counter > passkey.counter || (counter === 0 && passkey.counter === 0));
    if (!isGood) return each;
    const passkeys = (each.passkeys ?? []).map(one =>
      one.id === id ? { ...one, counter, used: Date.now() } : one,
    );
    return { ...each, passkeys };
  });
  return isGood ? changed : undefined;
}

type Answer = RegistrationResponseJSON | AuthenticationResponseJSON;

/** JSON of a credential, as far as the library does not look at it itself. */
function readAnswer(text: string): Answer | undefined {
  try {
    const answer = JSON.parse(text) as Partial<Answer> | null;
    const isAnswer =
      typeof answer?.id === 'string' && typeof answer.response === 'object' && answer.response !== null;
    return isAnswer ? (answer as Answer) : undefined;
  } catch {
    return undefined;
  }
}

function challengeIn(answer: Answer | undefined): string | undefined {
  try {
    const { challenge } = decodeClientDataJSON(answer!.response.clientDataJSON);
    return typeof challenge === 'string' ? challenge : undefined;
  } catch {
    return undefined;
  }
}

/** No certificates are asked for; to judge some, the library would fetch what they name. */
function hasCertificates({ response }: RegistrationResponseJSON): boolean {
  try {
    const attestation = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject));
    return attestation.get('attStmt').get('x5c') !== undefined;
  } catch {
    return true;
  }
}

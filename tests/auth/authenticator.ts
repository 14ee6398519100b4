// An authenticator of software that does whatever a test wants, also what no real one would: wrong origins, old counters,
// other people's credentials. https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

const sha256 = (bytes: string | Buffer): Buffer => createHash('sha256').update(bytes).digest();
const base64url = (bytes: string | Buffer): string => Buffer.from(bytes).toString('base64url');

/** As much of CBOR (RFC 8949) as an attestation needs. */
function cbor(value: unknown): Buffer {
  const head = (major: number, size: number): Buffer =>
    size < 24
      ? Buffer.from([(major << 5) | size])
      : size < 256
        ? Buffer.from([(major << 5) | 24, size])
        : Buffer.from([(major << 5) | 25, size >> 8, size & 255]);
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (typeof value === 'string')
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
  const entries = [...(value as Map<unknown, unknown>)];
  return Buffer.concat([head(5, entries.length), ...entries.flatMap(([key, each]) => [cbor(key), cbor(each)])]); // prettier-ignore
}

interface Question {
  readonly challenge: string;
  readonly rp?: { readonly id: string };
  readonly rpId?: string;
  readonly user?: { readonly id: string };
}

/** What an answer says instead of what is right. */
export interface Lies {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly counter?: number;
  readonly userHandle?: string;
  readonly id?: string;
  readonly isVerified?: boolean;
  readonly type?: string;
  readonly key?: KeyObject;
  readonly attestation?: Map<unknown, unknown>;
}

export interface Authenticator {
  readonly id: string;
  create(question: Question, lies?: Lies): string;
  get(question: Question, lies?: Lies): string;
  /** Of whom the passkey is. */
  userHandle(): string;
}

export function authenticator(origin: string): Authenticator {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
  const id = randomBytes(20);
  let counter = 0;
  let user = '';
  const dataOf = (rpId: string, flags: number, count: number, more = Buffer.alloc(0)): Buffer => {
    const fixed = Buffer.alloc(5);
    fixed[0] = flags;
    fixed.writeUInt32BE(count, 1);
    return Buffer.concat([sha256(rpId), fixed, more]);
  };
  const clientData = (type: string, { challenge }: Question, lies: Lies): string =>
    JSON.stringify({ type: lies.type ?? type, challenge: lies.challenge ?? challenge, origin: lies.origin ?? origin, crossOrigin: false }); // prettier-ignore
  const verified = (lies: Lies): number => (lies.isVerified === false ? 1 : 5);
  return {
    id: base64url(id),
    userHandle: () => user,
    create(question, lies = {}) {
      user = question.user!.id;
      const key = new Map<number, unknown>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, Buffer.from(x, 'base64url')],
        [-3, Buffer.from(y, 'base64url')],
      ]);
      const length = Buffer.from([0, id.length]);
      const credential = Buffer.concat([Buffer.alloc(16), length, id, cbor(key)]);
      const authData = dataOf(lies.rpId ?? question.rp!.id, verified(lies) | 64, counter, credential);
      const statement = lies.attestation ?? new Map();
      const attestation = new Map<string, unknown>([
        ['fmt', statement.size === 0 ? 'none' : 'packed'],
        ['attStmt', statement],
        ['authData', authData],
      ]);
      return JSON.stringify({
        id: base64url(id),
        rawId: base64url(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(clientData('webauthn.create', question, lies)),
          attestationObject: base64url(cbor(attestation)),
          transports: ['internal'],
        },
      });
    },
    get(question, lies = {}) {
      const client = clientData('webauthn.get', question, lies);
      const data = dataOf(lies.rpId ?? question.rpId!, verified(lies), lies.counter ?? ++counter);
      const signature = sign('sha256', Buffer.concat([data, sha256(client)]), lies.key ?? privateKey);
      const name = lies.id ?? base64url(id);
      return JSON.stringify({
        id: name,
        rawId: name,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(client),
          authenticatorData: base64url(data),
          signature: base64url(signature),
          userHandle: lies.userHandle ?? user,
        },
      });
    },
  };
}

/** What a page asks a passkey. */
export function questionIn(page: string, act: 'create' | 'get'): Question {
  const form = page.split('<form').find(part => part.includes(`data-passkey="${act}"`));
  const [, text] = /data-question="([^"]*)"/.exec(form!)!;
  return JSON.parse(text!.replaceAll('&quot;', '"').replaceAll('&amp;', '&')) as Question;
}

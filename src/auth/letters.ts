// Letters to people about their account, sent after the request by a job (src/jobs), so that no answer waits for a mail
// server or tells what it said. A link is made when its letter is sent: what waits in the queue holds no secret, and what
// somebody typed is sealed, whether there is such an account or not.
import { isMailAddress, NotSent, type Mail, type Message } from '../notifications/mail.js';
import type { Documents } from '../storage/documents.js';
import { isAllowed, wouldBeAllowed } from './allowance.js';
import type { Account, Accounts } from './accounts.js';
import type { PasswordLinks } from './password-links.js';
import type { Secrets } from './secrets.js';

/** Plain JSON: the input of a job. */
export type Letter =
  | { readonly kind: 'invitation'; readonly account: string }
  /** `asked`: a name or an address, sealed. */
  | { readonly kind: 'reset'; readonly asked: string }
  | { readonly kind: 'notice'; readonly account: string; readonly of: Notice };

export type Notice = keyof typeof notices;

/** Says into the audit trail, and to whose account it is, what was changed of it. */
export type Tell = (account: Account, of: Notice) => Promise<void>;

/** Where letters are put; durable when it resolves. */
export type PostLetter = (letter: Letter) => Promise<void>;

export interface LetterOptions {
  readonly documents: Documents;
  readonly accounts: Accounts;
  readonly links: PasswordLinks;
  readonly secrets: Secrets;
  readonly mail: Mail;
  /** Where the pages are: `https://fhir.example.org/auth`. */
  readonly issuer: string;
}

const notices = {
  password: 'The password was changed. All other sessions were ended.',
  reset:
    'A new password was set by a link that was sent to this address. Everything that was signed in was ended.',
  'second-factor': 'A second factor was turned on.',
  'no-second-factor': 'The second factor was turned off.',
  passkey: 'A passkey was added.',
  'no-passkey': 'A passkey was removed.',
  linked: 'Signing in through another provider was linked to it.',
  unlinked: 'Signing in through another provider was unlinked from it.',
} as const;

const sealedFor = 'reset letter';
export const resetLetter = (secrets: Secrets, asked: string): Letter => ({
  kind: 'reset',
  asked: secrets.seal(sealedFor, asked.slice(0, 300)),
});

/** How many resets an account gets, whichever of its names is typed. */
const resets = { most: 3, within: 3_600_000 };

/** Sends it; answers how many messages that were. @throws where another try may help */
export async function sendLetter(options: LetterOptions, letter: Letter): Promise<number> {
  if (letter.kind === 'reset') return sendResets(options, letter.asked);
  const message = await messageOf(options, letter);
  if (message === undefined) return 0;
  await send(options.mail, message);
  return 1;
}

async function send(mail: Mail, message: Message): Promise<void> {
  try {
    await mail.send(message);
  } catch (error) {
    // What is refused for good is left: nobody is to learn of it who asked.
    if (!(error instanceof NotSent && error.isFinal)) throw error;
  }
}

async function sendResets(options: LetterOptions, asked: string): Promise<number> {
  const { documents, accounts, links, secrets, mail, issuer } = options;
  let sent = 0;
  for (const account of await askedAbout(accounts, String(secrets.open(sealedFor, asked)))) {
    const { id, name, mail: to, password, disabled } = account;
    if (to === undefined || password === undefined || disabled === true) continue;
    const what = `reset of ${id}`;
    if (!(await wouldBeAllowed(documents, what, resets))) continue;
    const { link, until } = await links.issue(account, 'reset');
    const text = `Somebody asked for a new password for ${name}. To choose one:\n\n${linkTo(issuer, link)}\n\nThe link is good once, until ${timeOf(until)}. If it was not you, do nothing: the\npassword stays as it is.`;
    await send(mail, { to, subject: 'A new password', text });
    // Not before: a try that failed does not count, and this one may be the tenth.
    await isAllowed(documents, what, resets);
    sent++;
  }
  return sent;
}

async function messageOf(
  { accounts, links, issuer }: LetterOptions,
  letter: Exclude<Letter, { kind: 'reset' }>,
): Promise<Message | undefined> {
  const account = await accounts.find(letter.account);
  if (account?.mail === undefined || account.disabled === true) return undefined;
  if (letter.kind === 'notice') {
    const text = `This is about the account ${account.name}.\n\n${notices[letter.of]}\n\nIf it was not you, tell whoever runs this server at once, and look at\n${issuer}/manage`;
    return { to: account.mail, subject: 'Your account has changed', text };
  }
  if (account.password !== undefined) return undefined;
  const { link, until } = await links.issue(account, 'invitation');
  const text = `You are invited to ${new URL(issuer).host}, under the name ${account.name}. To choose a password:\n\n${linkTo(issuer, link)}\n\nThe link is good once, until ${timeOf(until)}.`;
  return { to: account.mail, subject: 'An invitation', text };
}

async function askedAbout(accounts: Accounts, asked: string): Promise<readonly Account[]> {
  const named = await accounts.byName(asked);
  const addressed = isMailAddress(asked.trim()) ? await accounts.byMail(asked) : [];
  const all = [...(named === undefined ? [] : [named]), ...addressed];
  return [...new Map(all.map(account => [account.id, account])).values()];
}

/** The page where a link is used. */
export const linkTo = (issuer: string, link: string): string => `${issuer}/password?link=${link}`;

export const timeOf = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

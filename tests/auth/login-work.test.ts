// A name that exists costs as much as one that does not: as many passwords looked at, and as many documents asked for.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Login } from '../../src/auth/login.js';
import type { Documents } from '../../src/storage/documents.js';

const looked = { hash: 0, verify: 0 };
/** The real library, counted: before anything has taken its functions. */
function countPasswords(): void {
  const library = createRequire(import.meta.url)('@node-rs/argon2') as Record<'hash' | 'verify', (...args: unknown[]) => unknown>; // prettier-ignore
  for (const name of ['hash', 'verify'] as const) {
    const own = library[name];
    library[name] = (...args) => {
      looked[name]++;
      return own(...args);
    };
  }
}

let folder: string;
let documents: Documents;
let login: Login;
const asked: Record<string, number> = {};
beforeAll(async () => {
  countPasswords();
  const { openAccounts } = await import('../../src/auth/accounts.js');
  const { createLogin } = await import('../../src/auth/login.js');
  const { isPassword } = await import('../../src/auth/passwords.js');
  const { openRoles } = await import('../../src/auth/roles.js');
  const { openSecrets } = await import('../../src/auth/secrets.js');
  const { openSqliteDocuments } = await import('../../src/storage/sqlite/documents.js');
  folder = mkdtempSync(join(tmpdir(), 'tsela-login-work-'));
  const own = await openSqliteDocuments({ path: join(folder, 'documents.sqlite') });
  documents = { ...own };
  for (const name of ['get', 'put', 'take', 'delete', 'list'] as const)
    Object.assign(documents, {
      [name]: (...args: never[]): unknown => {
        asked[name] = (asked[name] ?? 0) + 1;
        return (own[name] as (...args: never[]) => unknown)(...args);
      },
    });
  const accounts = openAccounts(documents, () => undefined);
  const person = { password: 'a long enough password', fhirUser: 'Practitioner/1', roles: ['doctor'] };
  await accounts.add({ ...person, name: 'there' });
  const disabled = await accounts.add({ ...person, name: 'disabled' });
  await accounts.change(disabled.id, account => ({ ...account, disabled: true }));
  login = createLogin({
    documents,
    accounts,
    secrets: await openSecrets(documents, undefined),
    roles: openRoles(documents),
    passkeys: undefined,
    tell: async () => undefined,
  });
  await isPassword(undefined, 'what unknown names are compared with is made once');
});
afterAll(async () => {
  await documents.close();
  rmSync(folder, { recursive: true, force: true });
});

const workOf = async (name: string, password: string): Promise<object> => {
  Object.assign(looked, { hash: 0, verify: 0 });
  for (const key of Object.keys(asked)) asked[key] = 0;
  expect(await login.password('form', name, password)).toEqual({ is: 'refused', why: 'name-or-password' });
  return { ...looked, ...asked };
};

it('a refused sign-in is the same work, whoever it was for and however often it was tried', async () => {
  for (let attempt = 1; attempt <= 8; attempt++) {
    const [there, nobody, disabled] = [
      await workOf('there', 'wrong'),
      await workOf('nobody', 'wrong'),
      await workOf('disabled', 'a long enough password'),
    ];
    expect(there).toMatchObject({ hash: 0, verify: 1 });
    expect([attempt, nobody, disabled]).toEqual([attempt, there, there]);
  }
  // Locked now, and the right password looks no different.
  expect(await workOf('there', 'a long enough password')).toEqual(await workOf('nobody', 'x'));
});

// tsela role: what each role may. Works on the documents of the store, also while a server runs on them; the server knows
// within ten seconds. docs/roles.md
import { readFileSync } from 'node:fs';
import type { RoleBook } from '../auth/roles.js';
import { Problem } from './problem.js';
import { withDocuments, type DataOptions } from './target.js';

async function withRoles<T>(options: DataOptions, work: (roles: RoleBook) => Promise<T>): Promise<T> {
  const { openRoles } = await import('../auth/roles.js');
  return withDocuments(options, documents => work(openRoles(documents)));
}

export async function listRoles(options: DataOptions): Promise<number> {
  const { shipped } = await import('../auth/roles.js');
  for (const [name, role] of await withRoles(options, roles => roles.all())) {
    const isChanged = JSON.stringify(role) !== JSON.stringify(shipped.get(name));
    process.stdout.write(`${name}\t${role.says}${isChanged ? ' (changed)' : ''}\n`);
  }
  return 0;
}

export async function showRole(name: string, options: DataOptions): Promise<number> {
  const role = (await withRoles(options, roles => roles.all())).get(name);
  if (role === undefined) throw new Problem(`There is no role "${name}".`, 'tsela role list shows them.');
  process.stdout.write(`${JSON.stringify(role, null, 2)}\n`);
  return 0;
}

/** @param file JSON as `tsela role show` prints it; `-` is standard input */
export async function setRole(name: string, file: string, options: DataOptions): Promise<number> {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    throw new Problem(`${file} holds no JSON: ${(error as Error).message}`, 'tsela role show prints what is expected.'); // prettier-ignore
  }
  await withRoles(options, roles => roles.set(name, given));
  process.stdout.write(`The role ${name} was changed; servers know within ten seconds.\n`);
  return 0;
}

export async function resetRole(name: string, options: DataOptions): Promise<number> {
  const wasOther = await withRoles(options, roles => roles.reset(name));
  process.stdout.write(
    wasOther ? `The role ${name} is again what it came as.\n` : `${name} was never changed.\n`,
  );
  return 0;
}

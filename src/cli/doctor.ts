// tsela doctor: looks at the machine, the configuration and the store, and says of everything that is wrong how to mend
// it. It changes nothing but what opening the store changes (schema and index are brought up to date, as by `start`).
import { randomUUID } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { access, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { BrokenJournal, verifiedLines } from '../audit/journal.js';
import type { Config } from '../config.js';
import type { System } from '../system.js';
import { journalFolder } from '../system/audit-trail.js';
import { sentenceOf } from './problem.js';
import { grouped } from './progress.js';
import { configOf, storeOf, type DataOptions } from './target.js';

export interface DoctorOptions extends DataOptions {
  readonly full?: boolean;
}

interface Finding {
  readonly state: 'ok' | 'warn' | 'bad';
  readonly says: string;
  /** How to mend it. */
  readonly mend?: string;
}

const ok = (says: string): Finding => ({ state: 'ok', says });
const warn = (says: string, mend: string): Finding => ({ state: 'warn', says, mend });
const bad = (says: string, mend: string): Finding => ({ state: 'bad', says, mend });

/** Resources whose index is compared without --full. */
const sampleSize = 20_000;
/** Discrepancies told before the rest is left out. */
const discrepanciesTold = 10;
const megabyte = 1024 * 1024;

/** Exit code: 0 where nothing is bad, else 1. */
export async function doctor(options: DoctorOptions): Promise<number> {
  let worst = 0;
  let warnings = 0;
  for await (const { state, says, mend } of findings(options)) {
    process.stdout.write(`${state.padEnd(5)} ${says}\n`);
    if (mend !== undefined) process.stdout.write(`      → ${mend}\n`);
    if (state === 'bad') worst++;
    if (state === 'warn') warnings++;
  }
  const verdict = worst > 0 ? `${worst} to mend` : 'Nothing to mend';
  process.stdout.write(`${verdict}${warnings > 0 ? `, ${warnings} to look at` : ''}.\n`);
  return worst === 0 ? 0 : 1;
}

async function* findings(options: DoctorOptions): AsyncGenerator<Finding> {
  yield nodeVersion();
  yield clock();
  let config: Config;
  try {
    config = await configOf(options);
    yield ok('Every setting can be used.');
  } catch (error) {
    yield bad(sentenceOf(error), 'Correct these settings; docs/configuration.md lists all with examples.');
    return;
  }
  const { unknownSettings } = await import('../config.js');
  for (const name of unknownSettings()) {
    yield warn(
      `${name} looks like a setting and is none.`,
      'Take it away or correct its spelling; docs/configuration.md lists all.',
    );
  }
  yield* mail(config);
  if (config.mongoUrl === undefined) {
    const folder = await dataFolder(config.data);
    yield* folder;
    if (folder.some(finding => finding.state === 'bad')) return;
    if (!existsSync(storeOf(config))) {
      yield ok('There is no data yet; the first start makes it.');
      return;
    }
  }
  yield* store(config, options.full ?? false);
}

async function* mail(config: Config): AsyncGenerator<Finding> {
  const { mailBy } = await import('../system.js');
  try {
    const used = await mailBy(config);
    if (used === undefined) return;
    await used.check();
    yield ok(`Mail can be sent${config.smtpUrl === undefined ? ', into a folder' : ''}.`);
  } catch (error) {
    yield bad(
      sentenceOf(error),
      'Look at TSELA_SMTP_URL, TSELA_SMTP_CA and TSELA_MAIL_FOLDER; docs/people.md says what they need.',
    );
  }
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isEnough = major > 20 || (major === 20 && minor >= 19);
  const says = `Node.js ${process.versions.node}`;
  return isEnough
    ? ok(`${says}.`)
    : bad(`${says} is too old.`, 'Install Node.js 20.19 or later, from https://nodejs.org.');
}

/** Tsela did not exist before. */
const earliest = Date.parse('2026-01-01T00:00:00Z');

const clock = (): Finding => {
  const now = new Date();
  return now.getTime() < earliest
    ? bad(
        `The clock says ${now.toISOString()}.`,
        'Set the clock, for example with: timedatectl set-ntp true.',
      )
    : ok(`The clock says ${now.toISOString()}.`);
};

async function dataFolder(folder: string): Promise<Finding[]> {
  if (!existsSync(folder))
    return [ok(`The data folder ${folder} does not exist yet; the first start makes it.`)];
  const found: Finding[] = [];
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    // What the store needs: a file made, synced, renamed and removed.
    const trial = join(folder, `.doctor-${randomUUID()}`);
    const file = await open(trial, 'wx');
    await file.writeFile('trial');
    await file.sync();
    await file.close();
    await rename(trial, `${trial}-renamed`);
    await rm(`${trial}-renamed`);
    found.push(ok(`The data folder ${folder} can be written.`));
  } catch (error) {
    found.push(
      bad(
        `The data folder ${folder} cannot be written: ${sentenceOf(error)}.`,
        `Give it to the user Tsela runs as, for example: chown -R "$(id -un)" ${folder}`,
      ),
    );
  }
  if (process.platform !== 'win32' && ((await stat(folder)).mode & 0o077) !== 0) {
    found.push(
      warn(`Others may look into the data folder ${folder}.`, `Take it away from them: chmod 700 ${folder}`),
    );
  }
  const { bavail, bsize } = await statfs(folder);
  const free = (Number(bavail) * Number(bsize)) / megabyte;
  const says = `${grouped(Math.floor(free))} MB are free on the disk of ${folder}.`;
  if (free < 200) found.push(bad(says, 'Free some space: a full disk refuses every write.'));
  else found.push(free < 2000 ? warn(says, 'Free some space soon.') : ok(says));
  return found;
}

async function* store(config: Config, full: boolean): AsyncGenerator<Finding> {
  const notices: string[] = [];
  const failures: string[] = [];
  let system: System;
  yield* auditJournal(config);
  try {
    const { createSystem } = await import('../system.js');
    const { originOf } = await import('../config.js');
    system = await createSystem(config, `${originOf(config)}/fhir`, {
      info: message => notices.push(message),
      failure: error => failures.push(sentenceOf(error)),
    });
  } catch (error) {
    yield isBusy(error)
      ? warn(sentenceOf(error), 'Its content is checked when no server runs on it.')
      : bad(`The store cannot be opened: ${sentenceOf(error)}`, howToOpen(config));
    return;
  }
  try {
    await system.ready();
    const where = config.mongoUrl === undefined ? config.data : `database ${config.mongoDatabase}`;
    yield ok(
      `The ${system.store.capabilities.name} store (${where}) opens and answers; its schema is this release's.`,
    );
    for (const notice of notices) yield ok(`${notice}.`);
    for (const failure of failures) yield bad(failure, 'docs/audit.md says what to do.');
    yield ok(`The index is of version ${await system.store.indexVersion()}.`);
    yield* newest(system);
    const counts = await system.store.counts();
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    yield ok(`It holds ${grouped(total)} resources of ${counts.size} types.`);
    yield* index(system, full);
  } catch (error) {
    yield bad(`The store failed: ${sentenceOf(error)}`, howToOpen(config));
  } finally {
    await system.close();
  }
}

async function* auditJournal({ data }: Config): AsyncGenerator<Finding> {
  let lines = 0;
  try {
    for await (const _ of verifiedLines(journalFolder(data))) lines++;
    if (lines > 0) yield ok(`The chain of the audit journal holds over ${grouped(lines)} lines.`);
  } catch (error) {
    if (!(error instanceof BrokenJournal)) throw error;
    yield bad(
      error.message,
      'Somebody changed or removed what was written down; docs/audit.md says what to do.',
    );
  }
}

/** Another process holds the embedded store; what opens it wraps SQLite's error, perhaps more than once. */
function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as { code?: unknown };
  return (typeof code === 'string' && code.startsWith('SQLITE_BUSY')) || isBusy(error.cause);
}

const howToOpen = (config: Config): string =>
  config.mongoUrl === undefined
    ? `See whether another process uses ${config.data}, and whether the user Tsela runs as may read it; else restore the last backup.`
    : 'See whether MONGODB_URL is right, whether the servers named there run as a replica set, and whether a firewall is between.';

/** A clock that went back gives new versions older dates than their predecessors. */
async function* newest({ store }: System): AsyncGenerator<Finding> {
  const [version] = (await store.history({ count: 1 })).versions;
  if (!version) return;
  const ahead = version.lastUpdated - Date.now();
  const when = new Date(version.lastUpdated).toISOString();
  yield ahead > 60_000
    ? bad(
        `The newest record is of ${when}, which has yet to come.`,
        'Set the clock right before writing: the order of versions follows it.',
      )
    : ok(`The newest record is of ${when}.`);
}

/** Thrown into a check that has seen enough. */
class Enough extends Error {}

async function* index({ store, rowsOf }: System, full: boolean): AsyncGenerator<Finding> {
  let seen = 0;
  let isEnough = false;
  let wrong = 0;
  const limited: typeof rowsOf = version => {
    isEnough = !full && seen >= sampleSize;
    if (isEnough) throw new Enough();
    seen++;
    return rowsOf(version);
  };
  try {
    for await (const sentence of store.check(limited)) {
      // A store may take the throw for a discrepancy of that resource.
      if (isEnough || ++wrong > discrepanciesTold) break;
      yield bad(sentence, 'Stop the server and run: tsela reindex.');
    }
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  if (wrong > discrepanciesTold)
    yield bad('There are more discrepancies.', 'Stop the server and run: tsela reindex.');
  else if (wrong === 0) {
    const share = isEnough
      ? `the first ${grouped(seen)} resources; --full compares all`
      : `all ${grouped(seen)} resources`;
    yield ok(`The index agrees with the content of ${share}.`);
  }
}

// What access depends on besides roles and labels, kept in the documents port for every process: patients whose consent
// is still being carried out, when consents begin and end, and who has broken the glass. docs/consent.md
import { randomUUID } from 'node:crypto';
import type { Documents } from '../storage/documents.js';

export interface Broken {
  /** The account. */
  readonly account: string;
  readonly patient: string;
  readonly reason: string;
  /** ms since 1970 UTC */
  readonly until: number;
}

export interface AccessState {
  /** Patients whose records are closed until a consent is carried out. */
  readonly filling: ReadonlySet<string>;
  /** Another number whenever `filling` has changed. */
  readonly generation: () => number;
  /** Looks again what other processes have closed and opened. */
  refresh(): Promise<void>;
  /** Before a commit that leaves something to fill in; answers what `settle` takes when the commit is done. */
  close(patient: string): Promise<string>;
  settle(closing: string): Promise<void>;
  /** Closed by a facility, which opens it again. */
  hold(closing: string): Promise<void>;
  release(closing: string): Promise<void>;
  /** The labels of the patient are to be looked at then. */
  due(patient: string, at: number): Promise<void>;
  /** Does what is due from now on, until it is stopped. */
  fillBy(fill: (patient: string) => Promise<void>, onFailure: (error: unknown) => void): Filler;
  breakGlass(broken: Broken): Promise<void>;
  brokenBy(account: string): Promise<readonly string[]>;
}

export interface Filler {
  wake(): void;
  stop(): Promise<void>;
}

const closed = 'consent-filling';
const held = 'consent-held';
const dueAt = 'consent-due';
const glass = 'break-glass';
/** ms between two looks for what others left. */
const every = 5_000;
/** ms. No commit takes longer. */
const longestCommit = 25_000;
const patientOf = (closing: string): string => closing.slice(0, closing.indexOf(' '));

/**
 * @param onBroken whose tokens mean something else from now on
 * @param above that of the district, where this is a facility's: grants are made there
 * @param onChange told when `filling` has changed
 */
export function openAccessState(
  documents: Documents,
  onBroken: (account: string) => void,
  above: AccessState | undefined,
  onChange: () => void,
): AccessState {
  const filling = new Set<string>();
  let generation = 0;
  const changed = (): void => {
    generation++;
    onChange();
  };
  const listed = async (collection: string): Promise<readonly string[]> =>
    (await documents.list(collection)).map(({ key }) => key);
  const refresh = async (): Promise<void> => {
    const before = generation;
    const found = new Set([...(await listed(closed)), ...(await listed(held))].map(patientOf));
    if (generation !== before) return refresh(); // closed meanwhile: what was listed is old
    if (found.size === filling.size && [...found].every(one => filling.has(one))) return;
    filling.clear();
    for (const one of found) filling.add(one);
    changed();
  };
  /** `settled`: from when on it may be opened, ms; the commit is done by then, or never. */
  const shut = async (collection: string, closing: string): Promise<void> => {
    await documents.put(collection, closing, { settled: Date.now() + longestCommit });
    filling.add(patientOf(closing));
    changed();
  };
  const open = async (collection: string, closing: string): Promise<void> => {
    await documents.delete(collection, closing);
    await refresh();
  };
  const keyOf = (at: number, patient: string): string =>
    `${String(Math.ceil(at)).padStart(15, '0')} ${patient}`;
  const timeOf = (key: string): number => Number(key.slice(0, 15));
  return {
    filling,
    generation: () => generation,
    refresh,
    async close(patient) {
      const closing = `${patient} ${randomUUID()}`;
      await above?.hold(closing);
      await shut(closed, closing);
      return closing;
    },
    async settle(closing) {
      await documents.put(closed, closing, { settled: 0 });
    },
    hold: closing => shut(held, closing),
    release: closing => open(held, closing),
    async due(patient, at) {
      await documents.put(dueAt, keyOf(at, patient), true);
    },
    fillBy(fill, onFailure) {
      let working: Promise<void> = Promise.resolve();
      let timer: NodeJS.Timeout | undefined;
      let stopped = false;
      /** Answers when to look again, ms. */
      const look = async (): Promise<number> => {
        const now = Date.now();
        const settled = (await documents.list(closed))
          .filter(({ value }) => (value as { settled: number }).settled <= now)
          .map(({ key }) => key);
        const due = (await listed(dueAt)).filter(key => timeOf(key) <= now);
        for (const patient of new Set([...settled.map(patientOf), ...due.map(key => key.slice(16))])) {
          if (stopped) return every;
          await fill(patient);
          for (const closing of settled) {
            if (patientOf(closing) !== patient) continue;
            await open(closed, closing);
            await above?.release(closing);
          }
          for (const key of due) if (key.slice(16) === patient) await documents.delete(dueAt, key);
        }
        await refresh();
        const [next] = await documents.list(dueAt, { limit: 1 });
        return next === undefined ? every : timeOf(next.key) - Date.now();
      };
      const later = (ms: number): void => {
        clearTimeout(timer);
        if (!stopped) timer = setTimeout(wake, Math.max(0, Math.min(ms, every))).unref();
      };
      const wake = (): void => {
        if (stopped) return;
        const looked = working.then(look).catch((error: unknown) => {
          onFailure(error);
          return every;
        });
        working = looked.then(later);
      };
      later(every);
      return {
        wake,
        async stop() {
          stopped = true;
          clearTimeout(timer);
          await working;
        },
      };
    },
    async breakGlass(broken) {
      if (above !== undefined) return above.breakGlass(broken);
      const { account, patient, until } = broken;
      await documents.put(glass, `${account} ${patient}`, broken, { expires: until });
      onBroken(account);
    },
    async brokenBy(account) {
      const found = await documents.list(glass, { prefix: `${account} ` });
      return found.map(({ value }) => (value as Broken).patient);
    },
  };
}

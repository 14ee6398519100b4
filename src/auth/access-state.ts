// What access depends on besides roles and labels, kept in the documents port for every process: patients whose consent
// is still being carried out, when consents begin and end, and who has broken the glass. docs/consent.md
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
  close(patient: string): Promise<void>;
  /** Closed by a facility, which opens it again. */
  hold(patient: string): Promise<void>;
  release(patient: string): Promise<void>;
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

/**
 * @param onBroken whose tokens mean something else from now on
 * @param above that of the district, where this is a facility's: grants are made there
 */
export function openAccessState(
  documents: Documents,
  onBroken: (account: string) => void,
  above?: AccessState,
): AccessState {
  const filling = new Set<string>();
  let generation = 0;
  const listed = async (collection: string): Promise<readonly string[]> =>
    (await documents.list(collection)).map(({ key }) => key);
  const refresh = async (): Promise<void> => {
    const found = new Set([...(await listed(closed)), ...(await listed(held))]);
    if (found.size === filling.size && [...found].every(one => filling.has(one))) return;
    filling.clear();
    for (const one of found) filling.add(one);
    generation++;
  };
  const shut = async (collection: string, patient: string): Promise<void> => {
    await documents.put(collection, patient, true);
    filling.add(patient);
    generation++;
  };
  const open = async (collection: string, patient: string): Promise<void> => {
    await documents.delete(collection, patient);
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
      await above?.hold(patient);
      await shut(closed, patient);
    },
    hold: patient => shut(held, patient),
    release: patient => open(held, patient),
    async due(patient, at) {
      await documents.put(dueAt, keyOf(at, patient), true);
    },
    fillBy(fill, onFailure) {
      let working: Promise<void> = Promise.resolve();
      let timer: NodeJS.Timeout | undefined;
      let stopped = false;
      /** Answers when to look again, ms. */
      const look = async (): Promise<number> => {
        const shutNow = await listed(closed);
        const due = (await listed(dueAt)).filter(key => timeOf(key) <= Date.now());
        for (const patient of new Set([...shutNow, ...due.map(key => key.slice(16))])) {
          if (stopped) return every;
          await fill(patient);
          if (shutNow.includes(patient)) {
            await open(closed, patient);
            await above?.release(patient);
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

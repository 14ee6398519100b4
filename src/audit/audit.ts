// The audit trail as the rest of Tsela sees it. What was read is written down before the answer; what is to be written
// before the commit, and on disk before the answer: whatever dies in between, nothing was done that nobody knows of.
// https://hl7.org/fhir/R4/security.html#audit
import { FhirError } from '../errors.js';
import type { Store, Version } from '../storage/store.js';
import { intent, type Agent, type AuditEntry, type Written } from './audit-entry.js';
import type { Journal } from './journal.js';
import type { Publisher } from './publish.js';

export interface Audit {
  /** Follows one request from here on. */
  begin(asked: Asked): Trail;
  /** For acts beside FHIR: logins, tokens, consent. @throws FhirError `unavailable` where it cannot be written down */
  record(entry: Omit<AuditEntry, 'at' | 'read' | 'written'>): void;
  /** Resolves when everything recorded can be found as an AuditEvent. @throws FhirError `unavailable` where that takes longer than a client waits */
  flush(): Promise<void>;
  /** Where a trail in another thread of the process writes its lines: there is one journal. */
  readonly journal: Lines;
  close(): Promise<void>;
}

/** What a trail needs of the journal. */
export type Lines = Pick<Journal, 'append' | 'synced'>;

export interface Asked {
  /** Of the request, as in the log. */
  readonly id: string;
  readonly agent: Agent;
  readonly path: string;
  readonly query?: string;
}

export interface Trail {
  /** The same store; what is read and written through it is noted, so that no handler can forget to say so. */
  witness<S extends Witnessed>(store: S): S;
  /**
   * Writes down what was done. @param disclosed the versions the answer shows, where these are not what was read
   * @throws FhirError `unavailable` where it cannot be written down
   */
  end(event: string, status: number, disclosed?: readonly string[]): void;
}

type Witnessed = Pick<Store, 'read' | 'readMany' | 'search' | 'history' | 'commit' | 'expunge'>;

/** ms a search over the trail waits for what is not in the store yet. */
const longestFlush = 10_000;

/** `Patient/1/_history/2` */
export const versionName = ({ ref, version }: Pick<Version, 'ref' | 'version'>): string =>
  `${ref.type}/${ref.id}/_history/${version}`;

/** @param thread names the thread, where it is not the one that keeps the journal: acts have names of their own */
export function createAudit(
  journal: Lines & Pick<Journal, 'close'>,
  publisher: Publisher,
  thread = '',
): Audit {
  const started = Date.now().toString(36) + thread;
  let acts = 0;
  const append = (entry: AuditEntry): void => {
    try {
      journal.append(entry);
    } catch (cause) {
      throw unwritable(cause);
    }
  };

  const begin = ({ id, agent, path, query }: Asked): Trail => {
    const read = new Set<string>();
    const written: Written[] = [];
    let act: string | undefined;
    const line = (event: string, status: number, more: Pick<AuditEntry, 'read' | 'written'>): AuditEntry => ({
      at: Date.now(),
      id,
      event,
      ...(act === undefined ? {} : { act }),
      status,
      agent,
      path,
      ...(query === undefined ? {} : { query }),
      ...more,
    });
    /** Notes what is to be written, does it, and is done when both are on disk. */
    const withIntent = async <T>(planned: readonly Written[], work: () => Promise<T>): Promise<T> => {
      act ??= `${started}-${acts++}`;
      append(line(intent, 0, { read: [], written: planned }));
      const [result] = await Promise.all([
        work(),
        journal.synced().catch((cause: unknown) => Promise.reject(unwritable(cause))),
      ]);
      written.push(...planned);
      return result;
    };
    const note = (versions: readonly Version[]): void => {
      for (const version of versions) if (version.body !== undefined) read.add(versionName(version));
    };
    return {
      witness: store => ({
        ...store,
        async read(ref, version) {
          const found = await store.read(ref, version);
          if (found !== undefined) note([found]);
          return found;
        },
        async readMany(refs) {
          const found = await store.readMany(refs);
          note(found);
          return found;
        },
        async search(plan) {
          const page = await store.search(plan);
          note(page.versions);
          return page;
        },
        async history(scope) {
          const page = await store.history(scope);
          note(page.versions);
          return page;
        },
        commit: (writes, receipt) =>
          withIntent(
            writes.map(({ ref, expected, method, lastUpdated }) => ({
              method,
              version: versionName({ ref, version: expected + 1 }),
              lastUpdated,
            })),
            () => store.commit(writes, receipt),
          ),
        expunge: (ref, what) =>
          withIntent([{ method: 'DELETE', version: `${ref.type}/${ref.id}`, lastUpdated: Date.now() }], () =>
            store.expunge(ref, what),
          ),
      }),
      end(event, status, disclosed) {
        append(line(event, status, { read: disclosed ?? [...read], written }));
      },
    };
  };

  return {
    begin,
    journal,
    record: entry => append({ at: Date.now(), ...entry, read: [], written: [] }),
    async flush() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>(resolve => (timer = setTimeout(() => resolve('late'), longestFlush)));
      try {
        if ((await Promise.race([publisher.flush(), late])) !== 'late') return;
      } finally {
        clearTimeout(timer);
      }
      throw new FhirError(
        'unavailable',
        'The audit trail of the last minutes is still being made searchable; ask again.',
        { headers: { 'retry-after': '10' } },
      );
    },
    async close() {
      try {
        await publisher.close();
      } finally {
        await journal.close(); // what is not published is still in it
      }
    },
  };
}

const unwritable = (cause: unknown): FhirError =>
  new FhirError('unavailable', 'The audit trail cannot be written, and nothing is done without it.', {
    cause,
  });

// From the journal to the store: a job of its own reads the lines that are new and stores their AuditEvents. Where it
// had come to is kept beside them, and their ids follow from the lines, so that a job that died neither loses nor
// doubles one. An intent without a line of what became of it is held against the store.
import { setTimeout as wait } from 'node:timers/promises';
import type { Resource } from '../fhir/resource.js';
import type { Documents } from '../storage/documents.js';
import { intent, type Written } from './audit-entry.js';
import { auditEvents, type PatientsOf } from './audit-event.js';
import { beginning, type Journal, type Line, type Place } from './journal.js';

export interface PublishOptions {
  readonly journal: Journal;
  readonly documents: Documents;
  /** Names the process whose journal it is. */
  readonly instance: string;
  /** What AuditEvent.source says of this server. */
  readonly observer: string;
  /** Stores those that are not there yet, in one commit. */
  readonly store: (events: readonly Resource[]) => Promise<void>;
  /** For versions as they are named in the journal. */
  readonly patientsOf: (versions: readonly string[]) => Promise<PatientsOf>;
  /** Whether this very write was done. */
  readonly isStored: (written: Written) => Promise<boolean>;
  /** Removes what is older than the instant, ms; absent: everything is kept. */
  readonly retain?: { readonly days: number; readonly remove: (before: number) => Promise<void> };
  readonly onFailure: (error: unknown) => void;
}

export interface Publisher {
  /** Resolves when everything written down before is in the store. */
  flush(): Promise<void>;
  /** Publishes what is left and ends. */
  close(): Promise<void>;
}

const collection = 'audit';
/** ms between looks at the journal. */
const pause = 1000;
/** Requests come first: while the process is this busy, a batch is followed by so many times its own time of rest. */
const rests = [
  { busy: 0.7, times: 20 },
  { busy: 0.3, times: 2 },
] as const;
/** Lines to a commit. */
const together = 100;

/** How far a journal's lines are known to be in the store; `tsela doctor` holds the files against it. */
export async function publishedUpTo(documents: Documents, instance: string): Promise<Place> {
  return ((await documents.get(collection, instance))?.value as Place | undefined) ?? beginning;
}

/** An intent of an act that has not ended, and the place before it. */
interface Unended {
  readonly line: Line;
  readonly before: Place;
}

/** Starts the job; what an earlier process began and did not end is settled first. */
export async function startPublishing(options: PublishOptions): Promise<Publisher> {
  const { journal, documents, instance, onFailure } = options;
  let place = await publishedUpTo(documents, instance);
  let kept = place;
  let unended = new Map<string, Unended[]>();
  let closed = false;
  /** How many wait for it: then it does not rest. */
  let wanted = 0;

  const publish = async (): Promise<void> => {
    let some: Line[] = [];
    let load = performance.eventLoopUtilization();
    const done = async (): Promise<void> => {
      if (some.length === 0) return;
      await options.store(await eventsOf(options, some));
      some = [];
      await keep();
    };
    for await (const line of journal.lines(place)) {
      const { act, event } = line.entry;
      if (act !== undefined && event === intent)
        unended.set(act, [...(unended.get(act) ?? []), { line, before: place }]);
      else {
        if (act !== undefined) unended.delete(act);
        some.push(line);
      }
      place = line.after;
      if (some.length < together) continue;
      const started = performance.now();
      await done();
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, load);
      load = now;
      const rest = wanted > 0 ? undefined : rests.find(one => utilization > one.busy);
      if (rest !== undefined)
        await wait((performance.now() - started) * rest.times, undefined, { ref: false });
    }
    await done();
  };
  /** The place from which a later process would have to read again. */
  const keep = async (): Promise<void> => {
    const [first] = unended.values();
    const upTo = first?.[0]!.before ?? place;
    if (upTo.hash === kept.hash && upTo.offset === kept.offset) return;
    await documents.put(collection, instance, upTo);
    kept = upTo;
  };
  /** Of acts that ended with their process: what was stored was done, whatever the client was told. */
  const settle = async (): Promise<void> => {
    const lines: Line[] = [];
    for (const { line } of [...unended.values()].flat()) {
      const stored = await Promise.all(line.entry.written.map(options.isStored));
      const written = line.entry.written.filter((_, i) => stored[i]);
      if (written.length > 0) lines.push({ ...line, entry: { ...line.entry, status: 200, written } });
    }
    await options.store(await eventsOf(options, lines));
    unended = new Map();
    await keep();
  };

  let running: Promise<void> | undefined;
  /** One run at a time; who asks while one is under way waits for the next, which sees what came meanwhile. */
  const next = async (): Promise<void> => {
    while (running !== undefined) await running.catch(() => undefined);
    running = publish()
      .catch((error: unknown) => {
        // Nothing of an unfinished batch counts as published: it is read again.
        place = kept;
        unended = new Map();
        throw error;
      })
      .finally(() => (running = undefined));
    await running;
  };
  const flush = async (): Promise<void> => {
    wanted++;
    try {
      await next();
    } finally {
      wanted--;
    }
  };

  await flush();
  await settle();
  let timer = setTimeout(look, pause);
  timer.unref();
  let retained = 0;
  /** Once an hour. */
  const retain = async (): Promise<void> => {
    if (options.retain === undefined || Date.now() - retained < 3_600_000) return;
    retained = Date.now();
    const before = retained - options.retain.days * 86_400_000;
    await options.retain.remove(before);
    journal.discard(before, kept);
  };
  function look(): void {
    next()
      .then(retain)
      .catch(onFailure)
      .finally(() => {
        if (closed) return;
        timer = setTimeout(look, pause);
        timer.unref();
      });
  }
  return {
    flush,
    async close() {
      closed = true;
      clearTimeout(timer);
      await flush();
    },
  };
}

async function eventsOf(options: PublishOptions, lines: readonly Line[]): Promise<Resource[]> {
  const versions = lines.flatMap(({ entry }) => [...entry.read, ...entry.written.map(one => one.version)]);
  const patientsOf = await options.patientsOf(versions);
  return lines.flatMap(({ entry, after }) => {
    const stem = Buffer.from(after.hash, 'base64url').toString('hex').slice(0, 48);
    const { observer } = options;
    return auditEvents(entry, { observer, patientsOf, idOf: n => `${stem}-${n}` });
  });
}

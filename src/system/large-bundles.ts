// Large Bundles are carried out in a thread of their own (bundle-thread.ts): there their garbage is collected, and reads
// go on as in peace. The thread starts with the first of them and stays; until it is there, and for what it cannot
// carry, the main thread works in turns (fhir/in-turns.ts). docs/decisions/0090-large-bundles.md
import { setFlagsFromString } from 'node:v8';
import { Worker, type MessagePort } from 'node:worker_threads';
import { OPEN, type Grant } from '../auth/grant.js';
import { identityOf } from '../auth/smart-grant.js';
import type { Config } from '../config.js';
import type { Dispatch } from '../dispatch.js';
import { FhirError } from '../errors.js';
import { asksForMain, hasFewProcessors } from '../give-way.js';
import { inTurn } from '../interactions/commit.js';
import type { FhirRequest, FhirResponse } from '../interactions/exchange.js';
import type { Admission } from '../storage/sqlite/writer-client.js';
import type { Notices, System } from '../system.js';
import {
  crossed,
  crossing,
  lines,
  ownBytes,
  type Asked,
  type Beginning,
  type FromThread,
  type Place,
  type ToThread,
  type Who,
} from './crossing.js';
import type { District } from './district.js';
import type { Held } from './owner.js';
import { threadsBehind } from './processors.js';

/** Bytes. What is smaller takes a few milliseconds, in turns of one. */
const large = 100_000;
/** ms from one start to the next, where the thread does not live. */
const restart = 30_000;

/**
 * V8 collects garbage with four threads more, whatever the machine has: on two processors they keep the main thread waiting
 * for one. Both flags are read when they are needed, not at the start. https://nodejs.org/api/v8.html#v8setflagsfromstringflags
 */
function oneCollector(): void {
  setFlagsFromString('--no-parallel-scavenge');
  setFlagsFromString('--concurrent-marking-max-worker-num=1');
}

export interface LargeBundles {
  readonly dispatch: Dispatch;
  /** Starts the thread where it does not run; whether it serves. */
  readonly start: () => Promise<boolean>;
  /** Ends the thread; nothing may be under way. */
  readonly close: () => Promise<void>;
}

export interface LargeBundlesOptions {
  readonly config: Config;
  readonly origin: string;
  readonly main: System;
  readonly district: District;
  readonly notices: Notices;
  readonly isAudited: boolean;
  /** Bytes from which on a Bundle is large. */
  readonly from?: number;
  /** MB of the thread's heap; absent: as much as the main thread may have. */
  readonly heap?: number;
}

interface Carried {
  readonly grant: Grant;
  resolve(response: FhirResponse): void;
  reject(error: Error): void;
}

export function carryLargeBundles(options: LargeBundlesOptions): LargeBundles {
  const { district, from = large } = options;
  let last: BundleThread | undefined;
  let closed = false;
  const thread = (): BundleThread => {
    if (last === undefined || last.mayFollow()) last = new BundleThread(options);
    return last;
  };
  return {
    dispatch(request, grant) {
      const who = isBundle(request) && request.body!.length >= from ? whoIs(grant) : undefined;
      if (who === undefined || closed || !thread().serves()) {
        asksForMain();
        return district.dispatch(request, grant);
      }
      return thread().carry(request, grant, who);
    },
    async start() {
      await thread().ready;
      return thread().serves();
    },
    async close() {
      closed = true;
      await last?.close();
    },
  };
}

const isBundle = ({ method, path, body }: FhirRequest): boolean =>
  method === 'POST' && path.length === 0 && body !== undefined;

const whoIs = (grant: Grant): Who | undefined => (grant === OPEN ? 'open' : identityOf(grant));

class BundleThread {
  private readonly worker: Worker;
  private readonly line = new Int32Array(new SharedArrayBuffer(4));
  private readonly carried = new Map<number, Carried>();
  private readonly changing = new Map<number, () => void>();
  private readonly held = new Map<number, () => void>();
  private readonly unfollow: (() => void)[] = [];
  private opened: ReadonlySet<string> | undefined;
  private looking = false;
  private last = 0;
  private readonly end: Promise<void>;
  readonly ready: Promise<void>;
  private whenReady!: () => void;
  private ended = false;
  private readonly began = performance.now();

  constructor(private readonly options: LargeBundlesOptions) {
    const { config, origin, isAudited, main, heap } = options;
    const beginning: Beginning = {
      config,
      origin,
      isAudited,
      base: main.settings.bases[0]!,
      line: this.line.buffer,
      behind: threadsBehind(),
    };
    if (hasFewProcessors) oneCollector();
    this.worker = new Worker(new URL('./bundle-thread.js', import.meta.url), {
      workerData: beginning,
      ...(heap === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heap } }),
    });
    this.worker.on('message', (message: FromThread) => this.hear(message));
    this.worker.on('error', error => options.notices.failure(error, 'large Bundles'));
    this.ready = new Promise(resolve => (this.whenReady = resolve));
    this.end = new Promise(resolve => {
      this.worker.on('exit', () => {
        this.fail();
        resolve();
      });
    });
    this.follow('', main);
  }

  /** Whether it has ended, and so long after it began that the next one is likely to last. */
  mayFollow(): boolean {
    return this.ended && performance.now() - this.began > restart;
  }

  /** Whether it is there, and has every facility open that this thread has. */
  serves(): boolean {
    const { opened } = this;
    if (opened === undefined || this.ended) return false;
    const missing = this.options.district.opened().filter(id => !opened.has(id));
    if (missing.length === 0) return true;
    if (!this.looking) {
      this.looking = true;
      this.send({ what: 'look' });
    }
    return false;
  }

  carry(request: FhirRequest, grant: Grant, who: Who): Promise<FhirResponse> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.carried.set(id, { grant, resolve, reject });
      const body = ownBytes(request.body!);
      const whole = { ...request, headers: { ...request.headers }, body };
      this.send({ what: 'carry', id, request: whole, who }, [body.buffer]);
    });
  }

  close(): Promise<void> {
    if (!this.ended) this.send({ what: 'close' });
    return this.end;
  }

  private send(message: ToThread, transfer: (ArrayBuffer | MessagePort)[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private systemAt(place: Place): System {
    return place === '' ? this.options.main : this.options.district.systemOf(place);
  }

  private follow(place: Place, system: System): void {
    const changed = (held: Held): Promise<void> =>
      new Promise(resolve => {
        const id = ++this.last;
        this.changing.set(id, resolve);
        this.send({ what: 'changed', id, place, held });
      });
    this.unfollow.push(system.owned.follow(changed));
  }

  private hear(message: FromThread): void {
    const { notices } = this.options;
    switch (message.what) {
      case 'ready':
        notices.info('Large Bundles have a thread');
        return this.serving(message.opened);
      case 'looked':
        return this.serving(message.opened);
      case 'answer':
        this.settled(message.id)?.resolve(message.response);
        return;
      case 'failed':
        this.settled(message.id)?.reject(crossed(message.failed));
        return;
      case 'changed':
        this.changing.get(message.id)?.();
        this.changing.delete(message.id);
        return;
      case 'append':
        return this.append(message.place, message.json);
      case 'release':
        this.held.get(message.turn)?.();
        this.held.delete(message.turn);
        return;
      case 'wake':
        return this.systemAt(message.place).owned.wake();
      case 'notice':
        return notices.info(message.message, message.detail);
      case 'failure':
        return notices.failure(crossed(message.failed), message.requestId);
      case 'ask':
        void this.reply(message);
    }
  }

  private serving(opened: readonly string[]): void {
    this.looking = false;
    this.opened = new Set(opened);
    this.whenReady();
  }

  private settled(id: number): Carried | undefined {
    const one = this.carried.get(id);
    this.carried.delete(id);
    return one;
  }

  private append(place: Place, json: string): void {
    let became: number = lines.refused;
    try {
      const { audit } = this.systemAt(place);
      if (audit === undefined) throw new TypeError('nothing is audited');
      audit.journal.append(json);
      became = lines.written;
    } catch (error) {
      this.options.notices.failure(error, 'audit');
    }
    Atomics.store(this.line, 0, became);
    Atomics.notify(this.line, 0);
  }

  private async reply({ id, name, args }: Extract<FromThread, { what: 'ask' }>): Promise<void> {
    try {
      const result = await (this.asked[name] as (...args: readonly unknown[]) => unknown)(...args);
      const transfer = name === 'admit' && result !== undefined ? [(result as Admission).port] : [];
      this.send({ what: 'reply', id, result }, transfer);
    } catch (error) {
      this.send({ what: 'reply', id, failed: crossing(error) });
    }
  }

  private readonly asked: Asked = {
    admit: place => {
      const system = this.systemAt(place);
      if (place !== '') this.follow(place, system);
      return system.owned.admit();
    },
    synced: place => this.systemAt(place).audit!.journal.synced(),
    flush: place => this.systemAt(place).audit!.flush(),
    defined: (place, writes) => this.systemAt(place).owned.defined(writes),
    closed: async place => {
      // Grants are made by the district, also those for a facility's records.
      for (const { access } of new Set([this.systemAt(place), this.options.main])) await access.refresh();
    },
    turn: (turn, keys) =>
      new Promise(resolve => {
        void inTurn(keys, () => {
          resolve();
          if (this.ended) return Promise.resolve();
          return new Promise<void>(release => this.held.set(turn, release));
        });
      }),
    dispatch: (carried, request) => {
      const one = this.carried.get(carried);
      if (one === undefined) throw new TypeError('what is asked for belongs to nothing that is carried');
      return this.options.district.dispatch(request, one.grant);
    },
  };

  /** Whatever it was about: what it had committed is stored, and is found by who asks again. */
  private fail(): void {
    this.ended = true;
    this.whenReady();
    for (const unfollow of this.unfollow) unfollow();
    for (const one of this.carried.values())
      one.reject(new FhirError('unavailable', 'The Bundle was given up half-way; send it again.'));
    this.carried.clear();
    for (const release of this.held.values()) release();
    for (const changed of this.changing.values()) changed();
  }
}

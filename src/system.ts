// The wiring, top to bottom: which adapter, which settings, one dispatch. The only importer of adapters.
import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Admission } from './storage/sqlite/writer-client.js';
import { createAudit, type Audit } from './audit/audit.js';
import { auditRule } from './audit/audit-rule.js';
import type { AuthorizationServer } from './auth/authorization-server.js';
import type { Place } from './auth/brands.js';
import { createDirectory, type Ask, type CompileGrant } from './auth/directory.js';
import type { AccessEvent } from './auth/events.js';
import type { Letter } from './auth/letters.js';
import { openAccessState, type AccessState } from './auth/access-state.js';
import { openRoles } from './auth/roles.js';
import { queries } from './clinic/queries.js';
import type { Config } from './config.js';
import { createDispatch, type Dispatch } from './dispatch.js';
import { facilitiesIn } from './facilities/facility.js';
import type { JsonObject } from './fhir/json.js';
import type { Consents, Jobs, Settings } from './interactions/context.js';
import { instant } from './fhir/ids.js';
import { PageCache } from './interactions/page-cache.js';
import { rowsIn } from './interactions/prepare.js';
import { openActiveParameters, type ActiveParameters } from './jobs/active-parameters.js';
import { openQueue } from './jobs/in-process/queue.js';
import type { Queue } from './jobs/queue.js';
import { reindexRun } from './jobs/reindex.js';
import { keepIndexCurrent, makeWholeIndex } from './jobs/whole-index.js';
import { startWorker, type Worker } from './jobs/worker.js';
import { folderMail } from './notifications/folder.js';
import type { Mail } from './notifications/mail.js';
import { searchIndexVersion } from './search/index-rows.js';
import type { Documents } from './storage/documents.js';
import { openMongoDocuments } from './storage/mongo/documents.js';
import { openMongoStore } from './storage/mongo/store.js';
import { openSqliteDocuments } from './storage/sqlite/documents.js';
import { joinSqliteStore, openSqliteStore, type SqliteStore } from './storage/sqlite/store.js';
import type { RowsOf, ServedStore, Store } from './storage/store.js';
import { definitionStore, noticed, watch } from './interactions/definition-store.js';
import { remoteTerminology } from './terminology/remote.js';
import { serverTerminology, type ServerTerminology } from './terminology/server-catalog.js';
import { createValidation } from './validation/validation.js';
import { openAuditTrail } from './system/audit-trail.js';
import { checkRestored } from './system/embedded-copy.js';
import { openConsents, type OwnConsents } from './system/consents.js';
import type { District as ConsentDistrict } from './system/spanning-consents.js';
import { hearing, tellingOwner, type Held, type Owned, type Owner } from './system/owner.js';
import { compileBy } from './system/policy.js';
import { openPackages } from './system/packages.js';
import { storedDefinitions } from './system/stored-definitions.js';

/** What the system tells its surroundings; logs and metrics fit it. */
export interface Notices {
  info(message: string, detail?: Record<string, unknown>): void;
  failure(error: unknown, requestId: string): void;
}

export interface AuthorizationPlace {
  /** Scheme, host and port. */
  readonly origin: string;
  /** FHIR bases that tokens can be for; may grow. */
  readonly bases: readonly string[];
  /** The same, with the facilities they are of. */
  readonly places: () => readonly Place[];
  /** Serves these bases. */
  readonly dispatch: Dispatch;
  readonly onEvent: (event: AccessEvent) => void;
}

export interface System {
  readonly dispatch: Dispatch;
  readonly store: Store;
  readonly documents: Documents;
  readonly settings: Settings;
  readonly rowsOf: RowsOf;
  readonly queue: Queue;
  readonly jobs: Jobs;
  readonly parameters: ActiveParameters;
  /** Opens the authorization server at the origin; a server does, a command that only looks does not. */
  readonly openAuthorization: (at: AuthorizationPlace) => Promise<AuthorizationServer>;
  /** Begins to work on jobs; a server does, a command that only looks does not. */
  readonly work: () => void;
  /** Makes every index row anew; answers how many resources. */
  readonly reindex: (progress?: (done: number) => void) => Promise<number>;
  /** Absent where nothing is audited. */
  readonly audit: Audit | undefined;
  /** What an identity may see and do. */
  readonly compile: CompileGrant;
  /** What grants depend on besides roles and labels. */
  readonly access: AccessState;
  /** What consents do on the own store. */
  readonly consents: OwnConsents;
  /** Has consents bind what others have, and theirs bind what is here. */
  readonly joinDistrict: (district: ConsentDistrict) => void;
  /** Where policies find records, where that is more than the own store. */
  readonly serveFrom: (all: () => ServedStore) => void;
  /** What codes mean here: R4's definitions, those stored and those loaded. */
  readonly terminology: ServerTerminology;
  /** For another thread that opens the same system. */
  readonly owned: Owned;
  /** Reads again what its owner holds otherwise now. */
  readonly catchUp: (what: Held) => Promise<void>;
  /** Throws where the store does not answer. */
  readonly ready: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/** ms */
const longestPause = 2000;

export interface SystemOptions {
  /** Whether what goes through dispatch is written down; a command of who may read the files is not. */
  readonly isAudited?: boolean;
  /** Other FHIR bases by which its records are known. */
  readonly aliases?: readonly string[];
  /** Of the district, where this is a facility's system. */
  readonly access?: AccessState;
  /** Where another thread of the process has the system open: what there must be one of is there. */
  readonly owner?: Owner | undefined;
}

/** @param base the FHIR base by which clients know the server, without trailing slash */
export async function createSystem(
  config: Config,
  base: string,
  notices: Notices,
  { isAudited = false, aliases = [], access: above, owner }: SystemOptions = {},
): Promise<System> {
  const { store: opened, documents, admit } = await openStorage(config, owner);
  const followers = new Set<(what: Held) => Promise<void>>();
  const tell = async (what: Held): Promise<void> => {
    await Promise.all([...followers].map(follower => follower(what)));
  };
  let unwatch = (): void => undefined;
  let served: () => ServedStore;
  let district: ConsentDistrict | undefined;
  const closing: { consents?: Consents } = {};
  let parameters: ActiveParameters | undefined;
  let audit: Audit | undefined;
  let authorization: AuthorizationServer | undefined;
  try {
    const packages = await openPackages(documents);
    const terminology = serverTerminology(definitionStore(opened), documents, {
      packages: packages.installed,
      room: owner === undefined ? config.terminologyMemory : config.terminologyMemory / 4,
      remote:
        config.terminologyServer === undefined
          ? undefined
          : remoteTerminology({
              base: config.terminologyServer.replace(/\/+$/, ''),
              timeLimit: config.terminologyTimeLimit,
              failed: message => notices.info(message),
            }),
    });
    const definitions = storedDefinitions(opened);
    const noticing = (below: Store): Store =>
      definitions.noticing(noticed(below, terminology, documents, () => void tell('definitions')));
    const store = noticing(owner === undefined ? opened : tellingOwner(opened, owner));
    definitions.onChange(() => void tell('definitions'));
    served = () => store;
    const wanted = searchIndexVersion(config.zone);
    const active = (parameters = await openActiveParameters(documents, store, wanted, () =>
      tell('parameters'),
    ));
    const validation = createValidation({
      level: config.validation,
      required: config.profiles,
      installed: packages.installed,
      catalog: terminology.catalog,
      stored: definitions,
    });
    const settings: Settings & Loose = {
      bases: [base, ...aliases],
      zone: config.zone,
      defaultCount: config.count,
      maxCount: config.maxCount,
      maxBundleEntries: config.bundleLimit,
      clientIds: config.clientIds === 'any',
      referencesMustExist: config.checkReferences,
      refuseDeleteOfReferenced: config.deleteReferenced === 'refuse',
      conditionalDelete: config.conditionalDelete,
      requireIfMatch: config.ifMatch === 'required',
      expunge: config.expunge,
      cursorKey: await cursorKey(config, documents),
      pages: new PageCache(owner === undefined ? config.pageCache : 0),
      version,
      security: () => authorization?.security(),
      get custom() {
        return active.current();
      },
      refreshCustom: () => active.refresh(),
      rules: isAudited ? [auditRule] : [],
      queries,
      validation,
      appState: documents,
      async installPackage(kept) {
        await packages.install(kept);
        await tell('packages');
      },
      ...(owner === undefined ? {} : { inTurn: owner.inTurn }),
    };
    const state = openAccessState(
      documents,
      account => authorization?.authenticate.forget({ account }),
      above,
      () => void tell('access'),
    );
    const access = owner === undefined ? state : closingWith(state, owner);
    const consents = openConsents({
      store,
      district: () => district,
      settings,
      state: access,
      breakGlassMinutes: config.breakGlassMinutes,
      onBroken: ({ account, patient, reason, until }) => {
        const query = new URLSearchParams({ reason, until: instant(until) }).toString();
        const agent = { principal: `user:${account}`, purpose: 'BTG' };
        audit?.record({ id: randomUUID(), event: 'break-glass', status: 200, agent, path: `Patient/${patient}`, query }); // prettier-ignore
      },
      onFailure: error => notices.failure(error, 'consent'),
      filler: owner && { wake: () => owner.wake(), stop: () => Promise.resolve() },
    });
    if (isAudited) {
      settings.disclosures = async plan => {
        await audit?.flush();
        return served().search(plan);
      };
    }
    closing.consents = consents;
    settings.consents = consents;
    const rowsOf: RowsOf = version => rowsIn(version, settings);
    const whole = { store, documents, parameters: active, rowsOf, wanted };
    if (owner === undefined) {
      const made = await keepIndexCurrent(whole, (from, done) =>
        notices.info('Search parameters have changed; making the index anew', { from, to: wanted, done }),
      );
      if (made !== undefined) notices.info('Index made', { resources: made });
    }
    if (isAudited && owner !== undefined) audit = auditOf(owner);
    else if (isAudited) {
      audit = await openAuditTrail({
        data: config.data,
        store,
        documents,
        settings,
        keep: config.auditKeep,
        onFailure: error => notices.failure(error, 'audit'),
      });
    }
    const queue = openQueue(documents);
    let worker: Worker | undefined;
    let letters: Worker | undefined;
    let mail: Mail | undefined;
    const jobs: Jobs = { queue, parameters: active, wake: () => worker?.wake() };
    const runs = { reindex: reindexRun({ store, parameters: active, rowsOf, core: wanted }) };
    const dispatch = createDispatch({
      store,
      settings,
      terminology,
      jobs,
      audit,
      onFailure: (error, requestId) => notices.failure(error, requestId),
      elsewhere: owner?.elsewhere,
    });
    const compile = compileBy({
      store: () => served(),
      roles: openRoles(documents),
      state: access,
      implicit: config.consent,
      proxyUntil: config.proxyUntil,
      discreetFrom: config.discreetFrom,
      settings: () => ({ bases: settings.bases, zone: settings.zone, now: Date.now() }),
      organizationsOf: async facility =>
        (await facilitiesIn(documents)).find(({ id }) => id === facility)?.organizations ?? [],
    });
    unwatch = watch(terminology, documents, error => notices.failure(error, 'terminology'));
    return {
      dispatch,
      async openAuthorization({ origin, bases, places, dispatch, onEvent }) {
        const { createAuthorizationServer } = await import('./auth/authorization-server.js');
        const { readLoginProviders } = await import('./auth/login-providers.js');
        const loginProviders = readLoginProviders(config.loginProviders);
        mail ??= await mailBy(config);
        return (authorization = await createAuthorizationServer({
          documents,
          origin,
          bases,
          places,
          secret: config.authSecret,
          privateJwks: config.privateJwks,
          loginProviders,
          directory: createDirectory(asking(dispatch)),
          compile,
          mail,
          async post(letter) {
            await queue.add('letter', letter, 'system');
            // What comes of a reset must not be felt by whoever asks next, to see whether there is work to do.
            const after = letter.kind === 'reset' ? randomInt(longestPause) : 0;
            setTimeout(() => letters?.wake(), after).unref();
          },
          onEvent,
          onFailure: error => notices.failure(error, 'authorization'),
          onNotice: notice => notices.info(notice),
        }));
      },
      store,
      documents,
      settings,
      rowsOf,
      queue,
      jobs,
      parameters: active,
      work() {
        const failed = (error: unknown, job: string): void => notices.failure(error, job);
        worker ??= startWorker(queue, runs, failed);
        // Beside the other jobs, which may take hours. A mail server may be away for an hour.
        const deliver = authorization?.deliver;
        if (deliver !== undefined)
          letters ??= startWorker(queue, { letter: ({ job }) => deliver(job.input as Letter) }, failed, 13);
      },
      reindex: progress => makeWholeIndex(whole, progress),
      audit,
      compile,
      access,
      consents,
      joinDistrict(joined) {
        district = joined;
      },
      serveFrom(all) {
        served = all;
      },
      terminology,
      owned: {
        admit,
        async defined(writes) {
          await noticing(hearing(opened)).commit(writes);
        },
        wake: () => consents.neighbour.wake(),
        follow(changed) {
          followers.add(changed);
          return () => void followers.delete(changed);
        },
      },
      async catchUp(what) {
        if (what === 'packages') await packages.refresh();
        else if (what === 'parameters') await active.refresh();
        else if (what === 'access') await access.refresh();
        else {
          definitions.forget();
          await terminology.refresh();
        }
      },
      ready: () => store.ping(),
      async close() {
        unwatch();
        await consents.stop();
        authorization?.close();
        await worker?.stop();
        mail?.close();
        await letters?.stop();
        active.close();
        await audit?.close();
        await store.close();
        await documents.close();
      },
    };
  } catch (error) {
    unwatch();
    await closing.consents?.stop();
    parameters?.close();
    await audit?.close();
    await opened.close();
    await documents.close();
    throw error;
  }
}

/** What is there only after the settings it needs. */
interface Loose {
  consents?: Consents;
  disclosures?: NonNullable<Settings['disclosures']>;
}

/** A trail whose lines the owner writes. */
const auditOf = ({ journal, flush }: Owner): Audit =>
  createAudit({ ...journal, close: () => Promise.resolve() }, { flush, close: () => Promise.resolve() }, '.');

/** Access as it is, whose closings the owner knows of before anything is stored. */
const closingWith = (state: AccessState, owner: Owner): AccessState => ({
  ...state,
  async close(patient) {
    const closing = await state.close(patient);
    await owner.closed();
    return closing;
  },
});

/** Searches by the same way as everybody's requests. */
const asking =
  (dispatch: Dispatch): Ask =>
  async (base, grant, type, query) => {
    const request = { method: 'GET', path: [type], query, headers: {}, base, id: 'authorization' };
    const { status, body } = await dispatch(request, grant);
    if (status !== 200 || body === undefined) return [];
    const { entry = [] } = JSON.parse(Buffer.from(body).toString()) as { entry?: { resource: JsonObject }[] };
    return entry.map(({ resource }) => resource);
  };

/** How mail is sent; undefined where it is not. @throws where a file it needs cannot be read */
export async function mailBy({ smtpUrl, smtpCa, mailFrom, mailFolder }: Config): Promise<Mail | undefined> {
  if (smtpUrl !== undefined) {
    // 20 ms of the start of whoever does not need it.
    const { smtpMail } = await import('./notifications/smtp.js');
    return smtpMail({ url: smtpUrl, from: mailFrom!, ca: smtpCa });
  }
  return mailFolder === undefined ? undefined : folderMail(mailFolder);
}

interface Storage {
  readonly store: Store;
  readonly documents: Documents;
  /** A port of the writer for another thread, where there must be one writer. */
  readonly admit: () => Admission | undefined;
}

async function openStorage(config: Config, owner: Owner | undefined): Promise<Storage> {
  const none = (): undefined => undefined;
  if (config.mongoUrl !== undefined) {
    const at = { url: config.mongoUrl, database: config.mongoDatabase };
    return both(await openMongoStore(at), () => openMongoDocuments(at), none);
  }
  checkRestored(config.data);
  mkdirSync(config.data, { recursive: true, mode: 0o700 });
  const at = (name: string): string => join(config.data, name);
  const file = { path: at('tsela.sqlite'), durability: config.durability };
  const openDocuments = (): Promise<Documents> => openSqliteDocuments({ path: at('documents.sqlite') });
  if (owner?.writer !== undefined) return both(joinSqliteStore(file, owner.writer), openDocuments, none);
  const store: SqliteStore = await openSqliteStore(file);
  return both(store, openDocuments, () => store.admit());
}

/** The documents alone: accounts, clients, settings. A running server may have them open too. */
export async function openDocuments(config: Config): Promise<Documents> {
  if (config.mongoUrl !== undefined)
    return openMongoDocuments({ url: config.mongoUrl, database: config.mongoDatabase });
  checkRestored(config.data);
  return openSqliteDocuments({ path: join(config.data, 'documents.sqlite') });
}

/** The store with the documents; without them it is closed again. */
async function both(
  store: Store,
  openDocuments: () => Promise<Documents>,
  admit: Storage['admit'],
): Promise<Storage> {
  try {
    return { store, documents: await openDocuments(), admit };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The key that seals page links: from the configured secret, else made once and kept. */
async function cursorKey(config: Config, documents: Documents): Promise<Uint8Array> {
  if (config.cursorSecret !== undefined) return createHash('sha256').update(config.cursorSecret).digest();
  await documents.put('settings', 'cursor-key', randomBytes(32).toString('base64'), { expected: 0 });
  const kept = await documents.get('settings', 'cursor-key');
  return Buffer.from(kept?.value as string, 'base64');
}

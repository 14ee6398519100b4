// A district: the server's own store and one of its own for each facility, each a whole system; requests go to one of
// them, or, for who may see all, to all of them at once. docs/facilities.md
import { join } from 'node:path';
import type { Place } from '../auth/brands.js';
import type { Grant } from '../auth/grant.js';
import type { Config } from '../config.js';
import { createDispatch, type Dispatch } from '../dispatch.js';
import { FhirError } from '../errors.js';
import { facilitiesIn, facilityPath, type Facility } from '../facilities/facility.js';
import { federated, type Member } from '../facilities/federated-store.js';
import { facilityOf, homeOf } from '../facilities/routing.js';
import type { Settings } from '../interactions/context.js';
import type { FhirRequest } from '../interactions/exchange.js';
import type { ServedStore } from '../storage/store.js';
import { createSystem, type Notices, type System } from '../system.js';
import {
  absentNeighbour,
  spanningConsents,
  takeMissed,
  type District as ConsentDistrict,
  type Neighbour,
} from './spanning-consents.js';
import type { Owner } from './owner.js';
import { finish, move, movesIn, type Places } from './move.js';

export interface District {
  readonly dispatch: Dispatch;
  /** The FHIR bases of the district and of every facility; grows with them. */
  readonly bases: readonly string[];
  readonly facilities: () => readonly Facility[];
  /** The district's FHIR base, and each facility's. */
  readonly places: () => readonly Place[];
  /** What a facility's store and records are reached by. @throws FhirError `not-found`, `unavailable` */
  readonly systemOf: (facility: string) => System;
  /** Ids of those whose stores are open. */
  readonly opened: () => readonly string[];
  /** Looks for new ones now. */
  readonly look: () => Promise<void>;
  /** Begins to work on the facilities' jobs, and looks for new facilities from time to time. */
  readonly work: () => void;
  readonly close: () => Promise<void>;
}

/** The member that has what belongs to no facility. */
export const own = 'district';

/** ms between two looks for facilities that were added, and for those that could not be opened. */
const lookEvery = 5000;

export interface DistrictOptions {
  readonly config: Config;
  /** Scheme, host and port. */
  readonly origin: string;
  /** The server's own: accounts, clients, facilities, and what belongs to no facility. */
  readonly main: System;
  readonly notices: Notices;
  readonly isAudited: boolean;
  /** Where another thread of the process has the district open: the owner of a facility's system. */
  readonly ownerOf?: (facility: string) => Promise<Owner>;
  /** Answers what only that thread can. */
  readonly elsewhere?: Dispatch;
}

export async function openDistrict(options: DistrictOptions): Promise<District> {
  const { config, origin, main, notices, isAudited, ownerOf, elsewhere } = options;
  let facilities: readonly Facility[] = [];
  const bases = [...main.settings.bases];
  const systems = new Map<string, System>();
  let working = false;
  let closed = false;

  /** Made for each request: it tells of the facilities that did not answer this one. */
  const all = (): ServedStore => {
    if (facilities.length === 0) return main.store;
    const members: Member[] = [
      ...facilities.map(({ id }) => ({ facility: id, store: systems.get(id)?.store ?? absent(id) })),
      { facility: own, store: main.store },
    ];
    return federated({
      members,
      rowsOf: main.rowsOf,
      homeOf: write => homeOf(write, { facilities, members, shared: own }),
    });
  };
  /** All but the one. */
  const neighbours = (but?: string): readonly Neighbour[] => [
    ...(but === own ? [] : [main.consents.neighbour]),
    ...facilities
      .filter(({ id }) => id !== but)
      .map(({ id }) => systems.get(id)?.consents.neighbour ?? absentNeighbour(main.documents, id)),
  ];
  const districtOf = (id: string): ConsentDistrict => ({
    everywhere: all,
    neighbours: () => neighbours(id),
  });

  const openOne = async ({ id }: Facility): Promise<void> => {
    const folder = join(config.data, 'facilities', id);
    const system = await createSystem(
      { ...config, data: folder, mongoDatabase: `${config.mongoDatabase}_${id.replaceAll('-', '_')}` },
      origin + facilityPath(id),
      notices,
      { isAudited, aliases: main.settings.bases, access: main.access, owner: await ownerOf?.(id) },
    );
    system.joinDistrict(districtOf(id));
    await takeMissed(main.documents, id, system.consents.neighbour);
    systems.set(id, system);
    if (working) system.work();
  };
  const look = async (): Promise<void> => {
    facilities = await facilitiesIn(main.documents);
    for (const base of facilities.map(({ id }) => origin + facilityPath(id)))
      if (!bases.includes(base)) bases.push(base);
    for (const facility of facilities) {
      if (closed || systems.has(facility.id)) continue;
      await openOne(facility).catch((error: unknown) =>
        notices.failure(error, `opening the facility ${facility.id}`),
      );
    }
  };
  /** What an earlier process began; what cannot be done now is tried again. */
  const finishMoves = async (): Promise<void> => {
    for (const moving of await movesIn(main.documents)) {
      await finish(places, moving).catch((error: unknown) =>
        notices.failure(error, `moving Patient/${moving.patient}`),
      );
    }
  };
  await look();
  let looking = Promise.resolve();
  const timer = setInterval(() => {
    looking = looking.then(look).catch((error: unknown) => notices.failure(error, 'district'));
  }, lookEvery);
  timer.unref();

  const systemOf = (facility: string): System => {
    const system = systems.get(facility);
    if (system !== undefined) return system;
    throw facilities.some(({ id }) => id === facility)
      ? new FhirError('unavailable', `The facility ${facility} does not answer.`, {
          headers: { 'retry-after': '5' },
        })
      : new FhirError('not-found', `There is no facility ${facility}.`);
  };

  const places: Places = { documents: main.documents, systemOf };

  main.serveFrom(all);
  main.joinDistrict(districtOf(own));
  const settings: Settings = Object.assign(Object.create(main.settings) as Settings, {
    consents: spanningConsents(main.consents, () => neighbours()),
    move: async (patient: string, to: string) => {
      systemOf(to);
      const owners = await Promise.all(
        [...systems].map(async ([id, { store }]) =>
          (await store.read({ type: 'Patient', id: patient }))?.body === undefined ? [] : [id],
        ),
      );
      const under = (await movesIn(main.documents)).find(one => one.patient === patient);
      const from = under?.from ?? owners.flat()[0];
      if (from === undefined)
        throw new FhirError('not-found', `There is no Patient/${patient} in a facility that answers.`);
      if (from === to) throw new FhirError('conflict', `Patient/${patient} is in ${to} already.`);
      return move(places, patient, from, to);
    },
  });
  const toAll = createDispatch({
    store: all,
    settings,
    jobs: main.jobs,
    terminology: main.terminology,
    audit: main.audit,
    onFailure: (error, requestId) => notices.failure(error, requestId),
    elsewhere,
  });

  const dispatch = async (request: FhirRequest, grant: Grant) => {
    const asked = facilityIn(request.base, origin);
    if (asked === undefined && facilities.length === 0) return main.dispatch(request, grant);
    const theirs = facilityOf(
      { ...grant.agent, ...(grant.facility === undefined ? {} : { facility: grant.facility }) },
      facilities,
    );
    if (asked === undefined)
      return theirs === undefined ? toAll(request, grant) : systemOf(theirs).dispatch(request, grant);
    if (grant.facility !== undefined && grant.facility !== asked)
      throw new FhirError('forbidden', `You may not work at ${asked}.`);
    return systemOf(asked).dispatch(request, grant);
  };

  return {
    dispatch,
    bases,
    facilities: () => facilities,
    places: () => [
      { base: bases[0]! },
      ...facilities.map(({ id, name }) => ({ base: origin + facilityPath(id), facility: { id, name } })),
    ],
    systemOf,
    opened: () => [...systems.keys()],
    look: () => (looking = looking.then(look)),
    work() {
      working = true;
      looking = looking.then(finishMoves).catch((error: unknown) => notices.failure(error, 'district'));
      for (const system of systems.values()) system.work();
    },
    async close() {
      closed = true;
      clearInterval(timer);
      await looking;
      for (const system of systems.values()) await system.close();
    },
  };
}

/** The id in a facility's base; undefined for the district's. */
function facilityIn(base: string, origin: string): string | undefined {
  const [, , id] = base.slice(origin.length).split('/');
  return base.startsWith(`${origin}/facilities/`) ? id : undefined;
}

/** Stands for the store of a facility that could not be opened. */
function absent(facility: string): ServedStore {
  const refuse = (): Promise<never> =>
    Promise.reject(new FhirError('unavailable', `The facility ${facility} does not answer.`));
  return {
    capabilities: { name: 'absent', onlineBackup: false, shared: true },
    read: refuse,
    readMany: refuse,
    search: refuse,
    count: refuse,
    explain: refuse,
    history: refuse,
    commit: refuse,
    receipt: refuse,
    claimOwner: refuse,
    expunge: refuse,
  };
}

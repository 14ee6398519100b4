// From a line of the journal to AuditEvents, after the patterns of IHE's Basic Audit Log Patterns: who (user, client,
// server), what (create, read, update, delete, query, login), on which records, of which patients, with which outcome.
// https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/auditevent.html
import type { JsonObject } from '../fhir/json.js';
import { instant } from '../fhir/ids.js';
import type { Resource } from '../fhir/resource.js';
import type { AuditEntry, Written } from './audit-entry.js';

/** Ids of the patients whose record each version (`Observation/1/_history/2`) belongs to. */
export type PatientsOf = (version: string) => readonly string[];

type Action = 'C' | 'R' | 'U' | 'D' | 'E';

const coding = (system: string, code: string, display: string): JsonObject => ({ system, code, display });
const auditType = (code: string, display: string): JsonObject =>
  coding('http://terminology.hl7.org/CodeSystem/audit-event-type', code, display);
const dicom = (code: string, display: string): JsonObject =>
  coding('http://dicom.nema.org/resources/ontology/DCM', code, display);
const entityType = (code: string, display: string): JsonObject =>
  coding('http://terminology.hl7.org/CodeSystem/audit-entity-type', code, display);
const objectRole = (code: string, display: string): JsonObject =>
  coding('http://terminology.hl7.org/CodeSystem/object-role', code, display);
const interaction = (code: string): JsonObject => ({
  system: 'http://hl7.org/fhir/restful-interaction',
  code,
});

/** Interactions by which a record is looked up by its own address. */
const reads = new Set(['read', 'vread']);
/** Acts beside FHIR, with what DICOM calls them where it does. */
const logins: Readonly<Record<string, JsonObject>> = {
  login: dicom('110122', 'Login'),
  logout: dicom('110123', 'Logout'),
};

const besideFhir = new Set([...Object.keys(logins), 'account', 'break-glass', 'consent', 'launch', 'refusal', 'registration', 'revocation', 'token']); // prettier-ignore

/** So many records are named in one event; the same act on more of them is told in several. */
const mostEntities = 100;

/**
 * The events of a line: one for each kind of thing done, and more where it was done to very many records.
 * @param idOf the id of the n-th of them: the same each time the line is read
 */
export function auditEvents(
  entry: AuditEntry,
  { observer, patientsOf, idOf }: { observer: string; patientsOf: PatientsOf; idOf: (n: number) => string },
): Resource[] {
  const events: Resource[] = [];
  for (const { action, code, versions } of acts(entry)) {
    for (let from = 0; from === 0 || from < versions.length; from += mostEntities) {
      const some = versions.slice(from, from + mostEntities);
      events.push(
        eventOf(entry, { action, code, versions: some, observer, patientsOf, id: idOf(events.length) }),
      );
    }
  }
  return events;
}

interface Act {
  readonly action: Action;
  readonly code: string;
  readonly versions: readonly string[];
}

function acts({ event, read, written, path }: AuditEntry): Act[] {
  const of = (action: Action): string[] =>
    written.filter(one => writeAction(one) === action).map(({ version }) => version);
  const found: Act[] = [
    { action: 'C', code: 'create', versions: of('C') },
    { action: 'U', code: event === 'patch' ? 'patch' : 'update', versions: of('U') },
    { action: 'D', code: 'delete', versions: of('D') },
  ];
  const writes = found.filter(({ versions }) => versions.length > 0);
  if (writes.length > 0) return writes;
  const named = /^[A-Z]\w+\/[A-Za-z0-9.-]+(?:\/_history\/\d+)?$/.test(path) ? [path] : [];
  const action = actionOf(event);
  return [{ action, code: event, versions: read.length > 0 ? read : named }];
}

/** A PUT may create. */
const writeAction = ({ method, version }: Written): Action =>
  method === 'DELETE' ? 'D' : method === 'POST' || version.endsWith('/_history/1') ? 'C' : 'U';

const asked: Readonly<Record<string, Action>> = { create: 'C', update: 'U', patch: 'U', delete: 'D' };
const actionOf = (event: string): Action => (reads.has(event) ? 'R' : (asked[event] ?? 'E'));

/** 4: the asker's fault or not allowed; 8: the server's. https://hl7.org/fhir/R4/valueset-audit-event-outcome.html */
const outcomeOf = (status: number): string => (status >= 500 ? '8' : status >= 400 ? '4' : '0');

function eventOf(
  entry: AuditEntry,
  about: Act & { observer: string; patientsOf: PatientsOf; id: string },
): Resource {
  const { at, id: request, event, status, agent, query } = entry;
  const { action, code, versions, observer, patientsOf, id } = about;
  const login = logins[event];
  const isRest = !besideFhir.has(event) && !event.startsWith('account-');
  const patients = [...new Set(versions.flatMap(version => patientsOf(version)))];
  const withData = action === 'R' || action === 'E';
  const server = { type: { coding: [withData ? dicom('110153', 'Source Role ID') : dicom('110152', 'Destination Role ID')] }, who: { display: observer }, requestor: false }; // prettier-ignore
  const client = {
    type: { coding: [withData ? dicom('110152', 'Destination Role ID') : dicom('110153', 'Source Role ID')] },
    who: { identifier: { value: agent.client ?? agent.principal } },
    requestor: agent.user === undefined,
    ...(agent.address === undefined ? {} : { network: { address: agent.address, type: '2' } }),
  };
  const user = agent.user !== undefined && {
    type: { coding: [coding('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP', 'information recipient')] }, // prettier-ignore
    who: { reference: agent.user, identifier: { value: agent.principal } },
    requestor: true,
    ...(agent.purpose === undefined ? {} : { purposeOfUse: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: agent.purpose }] }] }), // prettier-ignore
  };
  const entity: JsonObject[] = [
    ...patients.map(patient => ({
      what: { reference: `Patient/${patient}` },
      type: entityType('1', 'Person'),
      role: objectRole('1', 'Patient'),
    })),
    ...versions
      .filter(version => !patients.some(patient => version.startsWith(`Patient/${patient}/`)))
      .map(version => ({
        what: { reference: version },
        type: entityType('2', 'System Object'),
        role: objectRole('4', 'Domain Resource'),
      })),
    ...(query === undefined
      ? []
      : [
          {
            type: entityType('2', 'System Object'),
            role: objectRole('24', 'Query'),
            query: Buffer.from(`${entry.path}?${query}`).toString('base64'),
          },
        ]),
    {
      what: { identifier: { value: request } },
      type: coding('https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', 'XrequestId', 'X-Request-Id'), // prettier-ignore
    },
  ];
  return {
    resourceType: 'AuditEvent',
    id,
    type: isRest
      ? auditType('rest', 'RESTful Operation')
      : login
        ? dicom('110114', 'User Authentication')
        : dicom('110113', 'Security Alert'),
    subtype: [login ?? (isRest ? interaction(code.startsWith('$') ? 'operation' : code) : { code: event })],
    action,
    recorded: instant(at),
    outcome: outcomeOf(status),
    ...(status >= 400 ? { outcomeDesc: `HTTP ${status}` } : {}),
    agent: [...(user === false ? [] : [user]), client, server],
    source: {
      observer: { display: observer },
      type: [coding('http://terminology.hl7.org/CodeSystem/security-source-type', '4', 'Application Server')],
    },
    entity,
  };
}

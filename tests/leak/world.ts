// Two patients, one of whom is closed: whatever anybody asks about the closed one has to be answered like what is not
// there. Who asks (each role and style of scopes) and what they ask (each row of the rules on access) are lists here.
import type { Identity } from '../../src/auth/identity.js';
import type { Answer, Send, Tsela } from '../system.js';

/** In no answer at all. */
export const marker = 'TOPSECRET';

/** What a probe is about: something closed, or something that was never there, of the same length. */
export interface About {
  readonly patient: string;
  readonly observation: string;
  readonly consent: string;
  readonly binary: string;
  /** What a document shows, without a securityContext. */
  readonly content: string;
  readonly provenance: string;
  readonly gone: string;
  readonly name: string;
  readonly number: string;
  readonly date: string;
}
export const closed: About = { patient: 'closed', observation: 'obs-cl', consent: 'con-cl', binary: 'bin-cl', content: 'cnt-cl', provenance: 'prv-cl', gone: 'gon-cl', name: 'Hiddenname', number: 'NR-1111', date: '1951-01-01' }; // prettier-ignore
export const absent: About = { patient: 'absent', observation: 'obs-ab', consent: 'con-ab', binary: 'bin-ab', content: 'cnt-ab', provenance: 'prv-ab', gone: 'gon-ab', name: 'Nobodyname', number: 'NR-9999', date: '1901-09-09' }; // prettier-ignore

const user = (role: string, scopes: string, more: Partial<Identity> = {}): Identity => ({
  sub: role,
  clientId: 'app',
  user: { account: role, fhirUser: `Practitioner/${role}`, roles: [role] },
  scopes: scopes.split(' '),
  grantId: 'g',
  ...more,
});
const ofPatient = (role: 'patient' | 'proxy', scopes: string): Identity => ({
  ...user(role, scopes),
  user: { account: role, fhirUser: role === 'patient' ? 'Patient/mine' : 'RelatedPerson/r', roles: [role], patients: ['mine'] }, // prettier-ignore
  patient: 'mine',
});
const machine = (scopes: string): Identity => ({ sub: 'feed', clientId: 'feed', scopes: scopes.split(' '), grantId: 'g' }); // prettier-ignore
const laboratory = 'http://terminology.hl7.org/CodeSystem/observation-category|laboratory';

export const callers: readonly (readonly [who: string, identity: Identity])[] = [
  ...['administrator', 'doctor', 'nurse', 'pharmacist', 'laboratory', 'reception'].map(
    role => [`${role}, user/*.cruds`, user(role, 'user/*.cruds')] as const,
  ),
  ['doctor, user/*.read user/*.write', user('doctor', 'user/*.read user/*.write')],
  ['doctor, patient/*.cruds', user('doctor', 'patient/*.cruds', { patient: 'mine' })],
  ['doctor, granular', user('doctor', `user/Observation.rs?category=${laboratory} user/Patient.rs`)],
  ['doctor, search without read', user('doctor', 'user/*.s')],
  ['doctor, read without search', user('doctor', 'user/*.r')],
  ['patient, patient/*.cruds', ofPatient('patient', 'patient/*.cruds')],
  ['patient, patient/*.read', ofPatient('patient', 'patient/*.read')],
  ['patient, user/*.cruds', ofPatient('patient', 'user/*.cruds')],
  [
    'patient, granular',
    ofPatient('patient', `patient/Observation.rs?category=${laboratory} patient/Patient.rs`),
  ],
  ['patient, mixed contexts', ofPatient('patient', 'patient/Patient.rs user/Observation.cruds')],
  ['proxy, patient/*.cruds', ofPatient('proxy', 'patient/*.cruds')],
  [
    'machine, granular',
    machine(`system/Observation.cruds?category=${laboratory} system/Patient.cruds?_id=mine`),
  ],
  ['a token without resources', user('doctor', 'openid fhirUser')],
];

export async function seed({ send }: Tsela): Promise<void> {
  const put = async (resource: { resourceType: string; id: string; [name: string]: unknown }): Promise<void> => {
    const { status, text } = await send('PUT', `${resource.resourceType}/${resource.id}`, resource);
    if (status > 201) throw new Error(text);
  };
  const vital = [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] }];
  const observation = (id: string, patient: string, more: object = {}) => ({
    resourceType: 'Observation',
    id,
    status: 'final',
    code: { text: patient === 'mine' ? 'x' : marker },
    category: vital,
    subject: { reference: `Patient/${patient}` },
    ...more,
  });
  await put({ resourceType: 'Organization', id: 'org', name: 'Clinic' });
  await put({ resourceType: 'Practitioner', id: 'doctor', name: [{ family: 'Moleko' }] });
  const ours = { managingOrganization: { reference: 'Organization/org' } };
  await put({ resourceType: 'Patient', id: 'mine', name: [{ family: 'Mine' }], ...ours });
  await put({
    resourceType: 'Patient',
    id: closed.patient,
    name: [{ family: closed.name }],
    identifier: [{ system: 'urn:n', value: closed.number }],
    birthDate: closed.date,
    address: [{ city: marker }],
    ...ours,
  });
  await put(observation('obs-mi', 'mine'));
  await put(observation('obs-mi', 'mine', { status: 'amended' }));
  // A record of one's own that leads to the closed patient, in every way that is followed.
  await put(observation('obs-to', 'mine', { focus: [{ reference: `Patient/${closed.patient}` }], hasMember: [{ reference: `Observation/${closed.observation}` }] })); // prettier-ignore
  await put(observation(closed.observation, closed.patient, { identifier: [{ system: 'urn:n', value: closed.number }], effectiveDateTime: closed.date, performer: [{ reference: 'Practitioner/doctor' }] })); // prettier-ignore
  await put(observation(closed.observation, closed.patient, { identifier: [{ system: 'urn:n', value: closed.number }], effectiveDateTime: closed.date, performer: [{ reference: 'Practitioner/doctor' }], derivedFrom: [{ reference: 'Observation/obs-mi' }] })); // prettier-ignore
  // It was one's own before it was moved.
  await put(observation('obs-mv', 'mine'));
  await put(observation('obs-mv', closed.patient));
  await put(observation(closed.gone, closed.patient));
  await send('DELETE', `Observation/${closed.gone}`);
  await put({ resourceType: 'Condition', id: 'cond', subject: { reference: `Patient/${closed.patient}` }, code: { text: marker } });
  await put({ resourceType: 'Encounter', id: 'enc', status: 'finished', class: { code: 'AMB' }, subject: { reference: `Patient/${closed.patient}` } });
  await put({ resourceType: 'Binary', id: closed.binary, contentType: 'text/plain', securityContext: { reference: `Patient/${closed.patient}` }, data: Buffer.from(marker).toString('base64') });
  for (const [id, observation] of [[closed.provenance, closed.observation], ['prv-mi', 'obs-mi']] as const)
    await put({ resourceType: 'Provenance', id, target: [{ reference: `Observation/${observation}/_history/2` }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { reference: 'Practitioner/doctor', display: id === 'prv-mi' ? 'x' : marker } }] });
  await put({ resourceType: 'Binary', id: closed.content, contentType: 'text/plain', data: Buffer.from(marker).toString('base64') });
  await put({ resourceType: 'DocumentReference', id: 'doc', status: 'current', subject: { reference: `Patient/${closed.patient}` }, content: [{ attachment: { url: `Binary/${closed.content}` } }] });
  await put({
    resourceType: 'Consent',
    id: closed.consent,
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${closed.patient}` },
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
    provision: { type: 'deny' },
  });
} // prettier-ignore

type Probe = (send: Send, about: About) => Promise<Answer>;
const jsonPatch = { 'content-type': 'application/json-patch+json' };
const get =
  (url: (about: About) => string, headers: Record<string, string> = {}): Probe =>
  (send, about) =>
    send('GET', url(about), undefined, headers);
const meta = {
  resourceType: 'Parameters',
  parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'a' }] } }],
};
const everything = {
  resourceType: 'Parameters',
  parameter: [{ name: 'expungeEverything', valueBoolean: true }],
};
const fresh = (about: About, more: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] }],
  subject: { reference: 'Patient/mine' },
  identifier: [{ system: 'urn:n', value: about.number }],
  ...more,
}); // prettier-ignore
const bundle = (type: string, ...entry: object[]) => ({ resourceType: 'Bundle', type, entry });
const entry = (method: string, url: string, resource?: object) => ({
  request: { method, url },
  ...(resource && { resource }),
});

/** Rows of the rules on access, and the part of the attack list that is about data. */
export const probes: readonly (readonly [what: string, probe: Probe])[] = [
  ['read', get(a => `Patient/${a.patient}`)],
  ['read of an observation', get(a => `Observation/${a.observation}`)],
  ['read of what was deleted', get(a => `Observation/${a.gone}`)],
  ['HEAD', (send, a) => send('HEAD', `Observation/${a.observation}`)],
  ['read of a consent', get(a => `Consent/${a.consent}`)],
  ['read of a Binary', get(a => `Binary/${a.binary}`)],
  ['raw read of a Binary', get(a => `Binary/${a.binary}`, { accept: 'text/plain' })],
  ['search for a Binary', get(a => `Binary?_id=${a.binary}&_total=accurate`)],
  ['history of a Binary', get(a => `Binary/${a.binary}/_history`)],
  ['read of a content', get(a => `Binary/${a.content}`)],
  ['raw read of a content', get(a => `Binary/${a.content}`, { accept: 'text/plain' })],
  ['vread of a content', get(a => `Binary/${a.content}/_history/1`)],
  ['history of a content', get(a => `Binary/${a.content}/_history`)],
  ['a document that refers to a content', (send, a) => send('POST', 'DocumentReference', { resourceType: 'DocumentReference', status: 'current', subject: { reference: 'Patient/mine' }, content: [{ attachment: { url: `Binary/${a.content}` } }] })],
  ['a Binary of the securityContext', (send, a) => send('POST', 'Binary', { resourceType: 'Binary', contentType: 'text/plain', securityContext: { reference: `Patient/${a.patient}` } })],
  ['update of a content', (send, a) => send('PUT', `Binary/${a.content}`, { resourceType: 'Binary', id: a.content, contentType: 'text/plain' })],
  ['search for its Provenance', get(a => `Provenance?target=Observation/${a.observation}&_total=accurate`)],
  ['search for the Provenance of a version', get(a => `Provenance?target=Observation/${a.observation}/_history/2`)],
  ['_has on a Provenance', get(a => `Practitioner?_has:Provenance:agent:target=Observation/${a.observation}`)],
  ['read of its Provenance', get(a => `Provenance/${a.provenance}`)],
  ['history of its Provenance', get(a => `Provenance/${a.provenance}/_history`)],
  ['deletion of its Provenance', (send, a) => send('DELETE', `Provenance/${a.provenance}`)],
  ['update of its Provenance', (send, a) => send('PUT', `Provenance/${a.provenance}`, { resourceType: 'Provenance', id: a.provenance, target: [{ reference: 'Observation/obs-mi' }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] })],
  ['a Provenance about it', (send, a) => send('POST', 'Provenance', { resourceType: 'Provenance', target: [{ reference: `Observation/${a.observation}` }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] })],
  ['a Provenance about it in a transaction', (send, a) => send('POST', '', bundle('transaction', entry('POST', 'Provenance', { resourceType: 'Provenance', target: [{ reference: 'Observation/obs-mi' }, { reference: `Observation/${a.observation}/_history/1` }], recorded: '2026-01-01T00:00:00Z', agent: [{ who: { display: 'x' } }] })))],
  ['ETag 304 probe', get(a => `Observation/${a.observation}`, { 'if-none-match': 'W/"2"' })],
  ['If-Modified-Since probe', get(a => `Observation/${a.observation}`, { 'if-modified-since': new Date(Date.now() + 1e6).toUTCString() })],
  ['vread of the present version', get(a => `Observation/${a.observation}/_history/2`)],
  ['vread of an older version', get(a => `Observation/${a.observation}/_history/1`)],
  ['history', get(a => `Observation/${a.observation}/_history`)],
  ['history of what was deleted', get(a => `Observation/${a.gone}/_history`)],
  ['search by a hidden value', get(a => `Patient?family=${a.name}`)],
  ['search by _id', get(a => `Observation?_id=${a.observation}`)],
  ['search by identifier', get(a => `Observation?identifier=urn:n|${a.number}`)],
  ['search by subject', get(a => `Observation?subject=Patient/${a.patient}`)],
  ['search by POST', (send, a) => send('POST', 'Patient/_search', Buffer.from(`family=${a.name}`), { 'content-type': 'application/x-www-form-urlencoded' })],
  ['system search', get(a => `?_type=Patient,Observation&_id=${a.observation},${a.patient}`)],
  ['_total', get(a => `Observation?subject=Patient/${a.patient}&_total=accurate`)],
  ['_total=estimate', get(a => `Observation?subject=Patient/${a.patient}&_total=estimate`)],
  ['_summary=count', get(a => `Observation?identifier=urn:n|${a.number}&_summary=count`)],
  ['_elements', get(a => `Patient?birthdate=${a.date}&_elements=id`)],
  ['_sort on hidden values', get(a => `Patient?_id=${a.patient},mine&_sort=birthdate`)],
  ['_sort backwards', get(a => `Patient?_id=${a.patient},mine&_sort=-family&_count=1`)],
  ['chain', get(a => `Observation?subject:Patient.family=${a.name}`)],
  ['chain from a record of one\'s own', get(a => `Observation?focus:Patient.birthdate=${a.date}`)],
  ['chain of two', get(a => `Observation?has-member.subject:Patient.family=${a.name}`)],
  ['chain counted', get(a => `Observation?focus:Patient.identifier=urn:n|${a.number}&_summary=count`)],
  ['_has', get(a => `Organization?_has:Patient:organization:family=${a.name}`)],
  ['_has on a record of one\'s own', get(a => `Observation?_id=obs-mi&_has:Observation:derived-from:date=${a.date}`)],
  ['_has of a _has', get(a => `Organization?_has:Patient:organization:_has:Observation:subject:identifier=urn:n|${a.number}`)],
  ['_has on a practitioner', get(a => `Practitioner?_has:Observation:performer:date=${a.date}`)],
  ['_filter', get(a => `Observation?_filter=focus.birthdate eq ${a.date}`)],
  ['_list', get(a => `Observation?_list=${a.observation}`)],
  [':missing', get(a => `Patient?_id=${a.patient}&birthdate:missing=false`)],
  [':not', get(a => `Patient?_id=${a.patient}&gender:not=male`)],
  ['_text', get(a => `Observation?_content=${marker}&_id=${a.observation}`)],
  ['_include', get(a => `Observation?_id=${a.observation}&_include=Observation:subject`)],
  ['_revinclude', get(a => `Patient?_id=${a.patient}&_revinclude=Observation:subject`)],
  ['_explain', get(a => `Patient?family=${a.name}&_explain=true`)],
  ['compartment', get(a => `Patient/${a.patient}/Observation`)],
  ['whole compartment', get(a => `Patient/${a.patient}/*`)],
  ['$everything', get(a => `Patient/${a.patient}/$everything`)],
  ['$meta', get(a => `Observation/${a.observation}/$meta`)],
  ['$meta-add', (send, a) => send('POST', `Observation/${a.observation}/$meta-add`, meta)],
  ['$meta-delete', (send, a) => send('POST', `Observation/${a.observation}/$meta-delete`, meta)],
  ['$validate of a stored resource', get(a => `Observation/${a.observation}/$validate`)],
  ['$validate before a deletion', get(a => `Observation/${a.observation}/$validate?mode=delete`)],
  ['$expunge', (send, a) => send('POST', `Observation/${a.observation}/$expunge`, everything)],
  ['$disclosures', get(a => `Patient/${a.patient}/$disclosures`)],
  ['$job of another', get(a => `$job/${a.observation}`)],
  ['update', (send, a) => send('PUT', `Observation/${a.observation}`, { ...fresh(a), id: a.observation })],
  ['update with If-Match', (send, a) => send('PUT', `Observation/${a.observation}`, { ...fresh(a), id: a.observation }, { 'if-match': 'W/"2"' })],
  ['create by PUT with If-None-Match', (send, a) => send('PUT', `Observation/${a.observation}`, { ...fresh(a), id: a.observation }, { 'if-none-match': '*' })],
  ['update of what was deleted', (send, a) => send('PUT', `Observation/${a.gone}`, { ...fresh(a), id: a.gone })],
  ['patch', (send, a) => send('PATCH', `Observation/${a.observation}`, [{ op: 'replace', path: '/status', value: 'amended' }], jsonPatch)],
  ['patch with a test as oracle', (send, a) => send('PATCH', `Observation/${a.observation}`, [{ op: 'test', path: '/code/text', value: marker }], jsonPatch)],
  ['patch that takes the subject', (send, a) => send('PATCH', `Observation/${a.observation}`, [{ op: 'replace', path: '/subject/reference', value: 'Patient/mine' }], jsonPatch)],
  ['delete', (send, a) => send('DELETE', `Observation/${a.observation}`)],
  ['conditional delete', (send, a) => send('DELETE', `Patient?identifier=urn:n|${a.number}`)],
  ['conditional create as oracle', (send, a) => send('POST', 'Patient', { resourceType: 'Patient', active: true }, { 'if-none-exist': `identifier=urn:n|${a.number}` })],
  ['conditional create by a chain', (send, a) => send('POST', 'Observation', fresh(a, { identifier: [{ value: 'chain' }] }), { 'if-none-exist': `focus:Patient.birthdate=${a.date}` })],
  ['conditional update as oracle', (send, a) => send('PUT', `Observation?subject=Patient/${a.patient}`, fresh(a))],
  ['conditional update with the id of a hidden one', (send, a) => send('PUT', 'Observation?identifier=urn:n|none', { ...fresh(a), id: a.observation })],
  ['conditional update with the id of another match', (send, a) => send('PUT', 'Observation?_id=obs-mi', { ...fresh(a), id: a.observation })],
  ['transaction that makes the id', (send, a) => send('POST', '', bundle('transaction', entry('PUT', `Observation?identifier=urn:n|none`, { ...fresh(a), id: a.observation })))],
  ['conditional patch', (send, a) => send('PATCH', `Observation?identifier=urn:n|${a.number}&subject=Patient/${a.patient}`, [{ op: 'replace', path: '/status', value: 'amended' }], jsonPatch)],
  ['moving a record of one\'s own', (send, a) => send('PATCH', 'Observation/obs-mi', [{ op: 'test', path: '/status', value: 'none' }, { op: 'replace', path: '/subject/reference', value: `Patient/${a.patient}` }], jsonPatch)],
  ['batch', (send, a) => send('POST', '', bundle('batch', entry('GET', `Observation/${a.observation}`), entry('DELETE', `Observation/${a.observation}`), entry('GET', `Patient?family=${a.name}`)))],
  ['transaction with a read', (send, a) => send('POST', '', bundle('transaction', entry('GET', `Observation/${a.observation}`)))],
  ['transaction with a deletion', (send, a) => send('POST', '', bundle('transaction', entry('DELETE', `Observation/${a.observation}`)))],
  ['transaction with an update', (send, a) => send('POST', '', bundle('transaction', entry('PUT', `Observation/${a.observation}`, { ...fresh(a), id: a.observation })))],
  ['transaction with a conditional reference', (send, a) => send('POST', '', bundle('transaction', entry('POST', 'Observation', fresh(a, { focus: [{ reference: `Patient?identifier=urn:n|${a.number}` }] }))))],
  ['lenient handling', get(a => `Patient?family=${a.name}&unknown=1`, { prefer: 'handling=lenient' })],
  ['break-glass without leave', (send, a) => send('POST', `Patient/${a.patient}/$break-glass`, { resourceType: 'Parameters', parameter: [] })],
]; // prettier-ignore

/** Asked as they are: nothing closed may be in the answer. */
export const gatherings: readonly string[] = [
  'Patient?_count=200', 'Observation?_count=200', 'Condition', 'Encounter', 'Binary', '?_type=Patient,Observation,Condition&_count=200',
  '_history?_count=200', 'Observation/_history?_count=200', 'Patient/_history', 'Binary/_history', 'Patient?_sort=birthdate',
  'Observation?_include=*&_count=200', 'Observation?_include:iterate=Observation:has-member&_include=Observation:focus&_count=200',
  'Organization?_revinclude=Patient:organization', 'Practitioner?_revinclude=Observation:performer', 'Patient/mine/$everything',
  'Patient/$everything?_count=200', 'Organization?_revinclude=Patient:organization&_revinclude:iterate=Observation:subject',
  'Provenance', 'Provenance/_history', 'Provenance?_sort=-recorded', 'Practitioner?_revinclude=Provenance:agent', 'Observation?_revinclude=Provenance:target&_count=200',
  'Observation/obs-to?_elements=focus', 'Observation/obs-mv/_history', 'Observation/obs-mv/_history/1', 'Observation/obs-mv',
]; // prettier-ignore

// Roles as data: the matrix of what each may, masks on every way out, changes at run time.
import { describe, expect, it } from 'vitest';
import type { Identity } from '../../src/auth/identity.js';
import type { Role } from '../../src/auth/role.js';
import { lettersFor, openRoles, readRole, shipped } from '../../src/auth/roles.js';
import { rolesAlone, smartGrant, type Policy } from '../../src/auth/smart-grant.js';
import { FhirError } from '../../src/errors.js';
import { base, onEveryStore, type Answer, type Send } from '../system.js';

const settings = { bases: [base], zone: 'UTC', now: Date.now() };
const identity = (role: string, scopes = 'user/*.cruds'): Identity => {
  const own = role === 'patient' || role === 'proxy';
  return {
    sub: 'a',
    clientId: 'app',
    ...(role === 'system'
      ? {}
      : {
          user: {
            account: 'a',
            fhirUser:
              role === 'patient' ? 'Patient/mine' : role === 'proxy' ? 'RelatedPerson/r' : 'Practitioner/p',
            roles: [role],
            ...(own ? { patients: ['mine'] } : {}),
          },
        }),
    scopes: scopes.split(' '),
    grantId: 'g',
  };
};
const grantOf = (
  role: string,
  scopes = role === 'system' ? 'system/*.cruds' : 'user/*.cruds',
  policy: Policy = rolesAlone,
) => smartGrant(identity(role, scopes), settings, policy);

/** Role → type → letters. What a role is given is decided here; role-data.ts has to say the same. */
const matrix: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  administrator: { Patient: 'cruds', Observation: 'cruds', MedicationRequest: 'cruds', AuditEvent: 'cruds', Organization: 'cruds', ValueSet: 'cruds', Consent: 'cruds' },
  doctor: { Patient: 'cruds', Observation: 'cruds', MedicationRequest: 'cruds', AuditEvent: '', Organization: 'rs', ValueSet: 'rs', Consent: 'cruds', Appointment: 'cruds' },
  nurse: { Patient: 'crus', Observation: 'crus', MedicationRequest: 'rs', AuditEvent: '', Organization: 'rs', ValueSet: 'rs', Consent: 'crus', Appointment: 'crus' },
  pharmacist: { Patient: 'rs', Observation: 'rs', MedicationRequest: 'rs', MedicationDispense: 'crus', AuditEvent: '', Procedure: '', Consent: '', Organization: 'rs' },
  laboratory: { Patient: 'rs', Observation: 'crus', Specimen: 'crus', DiagnosticReport: 'crus', ServiceRequest: 'rs', MedicationRequest: '', Condition: '', AuditEvent: '', Consent: '' },
  reception: { Patient: 'crus', Appointment: 'crus', Encounter: 'rs', Observation: '', Condition: '', MedicationRequest: '', AuditEvent: '', Consent: '', Organization: 'rs' },
  patient: { Patient: 'rs', Observation: 'crus', MedicationRequest: 'rs', Consent: 'crus', AuditEvent: '', Organization: 'rs', Practitioner: 'rs' },
  proxy: { Patient: 'rs', Observation: 'crus', MedicationRequest: 'rs', Consent: 'crus', AuditEvent: '', Organization: 'rs' },
  system: { Patient: 'cruds', Observation: 'cruds', AuditEvent: 'cruds', Consent: 'cruds' },
}; // prettier-ignore

const letters = { c: 'create', r: 'read', u: 'update', d: 'delete', s: 'search' } as const;
const cells = Object.entries(matrix).flatMap(([role, types]) =>
  Object.entries(types).map(([type, may]) => [role, type, may] as const),
);

describe('the matrix', () => {
  it('has every role', () => expect(Object.keys(matrix).sort()).toEqual([...shipped.keys()].sort()));

  it.each(cells)('lets %s do to %s: %s', (role, type, may) => {
    const grant = grantOf(role);
    const found = Object.entries(letters)
      .filter(([, permission]) => grant.permits(permission, type))
      .map(([letter]) => letter)
      .join('');
    expect(found).toBe(may);
    expect(lettersFor(shipped.get(role)!, type)).toBe(may);
  });

  it.each(cells)('is narrowed by scopes for %s and %s, never widened', (role, type, may) => {
    const context = role === 'system' ? 'system' : 'user';
    const grant = grantOf(role, `${context}/${type}.rs`);
    for (const [letter, permission] of Object.entries(letters)) {
      expect(grant.permits(permission, type)).toBe('rs'.includes(letter) && may.includes(letter));
      expect(grant.permits(permission, type === 'Flag' ? 'Goal' : 'Flag')).toBe(false);
    }
  });

  it('gives nothing to an account without a role, or with one there is not', () => {
    expect(grantOf('nobody').permits('read', 'Patient')).toBe(false);
  });

  it('is a role each that could be set again as it is', () => {
    for (const [, role] of shipped) expect(readRole(JSON.parse(JSON.stringify(role)))).toEqual(role);
  });

  it('gives abilities only within scopes', () => {
    expect(grantOf('doctor').may!('break-glass')).toBe(true);
    expect(grantOf('doctor', 'user/Observation.rs').may!('break-glass')).toBe(false);
    expect(grantOf('reception').may!('break-glass')).toBe(false);
    expect(grantOf('administrator').may!('unlabel')).toBe(true);
    expect(grantOf('doctor').may!('unlabel')).toBe(false);
  });
});

describe('a role that is set', () => {
  const role = (more: object) => () => readRole({ says: 'x', reach: 'all', permissions: [], ...more });
  it.each([
    ['an unknown type', { permissions: [{ types: ['Pacient'], may: 'r' }] }],
    ['letters out of order', { permissions: [{ types: ['Patient'], may: 'sr' }] }],
    ['an unknown element', { masks: { Patient: ['phone'] } }],
    ['a parameter there is not', { permissions: [{ types: ['Patient'], may: 'r', where: 'colour=red' }] }],
    ['a chain', { permissions: [{ types: ['Observation'], may: 'r', where: 'subject:Patient.name=x' }] }],
    ['a mask on what it may update', { permissions: [{ types: ['Patient'], may: 'ru' }], masks: { Patient: ['telecom'] } }],
    ['an unknown ability', { abilities: ['fly'] }],
    ['an unknown property', { scopes: [] }],
    ['no reach', { reach: 'some' }],
  ])('is refused with %s', (_, more) => expect(role(more)).toThrow(FhirError));
}); // prettier-ignore

const ids = (answer: Answer): string[] =>
  (answer.body['entry'] ?? []).map((entry: { resource: { id: string } }) => entry.resource.id).sort();

onEveryStore('a masked role', {}, tsela => {
  let seeded: Promise<void> | undefined;
  const seed = async (send: Send): Promise<void> => {
    for (const resource of [
      { resourceType: 'Patient', id: 'p', active: true, text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">call 5551234</div>' }, name: [{ family: 'Mokoena' }], telecom: [{ system: 'phone', value: '5551234' }], address: [{ city: 'Quthing' }], birthDate: '1990-01-01' },
      { resourceType: 'ServiceRequest', id: 's', status: 'active', intent: 'order', subject: { reference: 'Patient/p' } },
      { resourceType: 'ServiceRequest', id: 'c', status: 'active', intent: 'order', subject: { reference: '#in' }, contained: [{ resourceType: 'Patient', id: 'in', telecom: [{ system: 'phone', value: '5551234' }] }] },
      { resourceType: 'Observation', id: 'lab', status: 'final', code: { text: 'x' }, category: [{ coding: [{ code: 'laboratory' }] }], subject: { reference: 'Patient/p' } },
      { resourceType: 'Observation', id: 'vital', status: 'final', code: { text: 'x' }, category: [{ coding: [{ code: 'vital-signs' }] }], subject: { reference: 'Patient/p' } },
    ]) expect((await send('PUT', `${resource.resourceType}/${resource.id}`, resource)).status).toBe(201); // prettier-ignore
  };
  const laboratory = async (): Promise<Send> => {
    await (seeded ??= seed(tsela().send));
    return tsela().as(grantOf('laboratory'));
  };

  it.each([
    'Patient/p', 'Patient/p?_elements=telecom', 'Patient/p?_summary=data', 'Patient/p/_history/1', 'Patient/p/_history',
    'Patient', 'Patient?_elements=telecom,address', 'Patient/_history', '_history', 'Patient?name=Mokoena&_summary=text',
    'ServiceRequest?_include=ServiceRequest:subject', 'ServiceRequest/c', 'Patient?_revinclude=ServiceRequest:subject',
    'Patient/p/$everything', '?_type=Patient',
  ])('gets no masked element by %s', async url => {
    const send = await laboratory();
    const answer = await send('GET', url);
    expect([url, answer.status]).toEqual([url, 200]);
    expect(answer.text).toMatch(/"p"|Patient/);
    expect(answer.text).not.toMatch(/5551234|Quthing/);
    const open = await tsela().send('GET', 'Patient/p');
    expect(open.text).toContain('5551234');
  }); // prettier-ignore

  it.each([
    'Patient?telecom=5551234', 'Patient?phone=5551234', 'Patient?address-city=Quthing', 'Patient?address=Quthing',
    'Patient?_sort=address-city', 'Patient?_filter=phone eq 5551234', 'Patient?_text=5551234', 'Patient?_content=5551234',
    'ServiceRequest?subject:Patient.phone=5551234', 'Patient?phone:missing=true', 'Patient?telecom:not=x',
    'Observation?subject:Patient.address-city=Quthing', 'Patient?address-city:exact=Quthing', 'Patient?_explain=true',
  ])('may not ask %s', async url => {
    const send = await laboratory();
    expect([url, (await send('GET', url)).status]).toEqual([url, 403]);
    expect([url, (await send('GET', url.replaceAll(/5551234|Quthing/g, 'nothing'))).text]).toEqual([url, (await send('GET', url)).text]);
    expect((await send('GET', `${url}&_summary=count`)).status).toBe(403);
  }); // prettier-ignore

  it('asks by what it sees, and what its condition lets it', async () => {
    const send = await laboratory();
    expect(ids(await send('GET', 'Patient?name=Mokoena&birthdate=1990-01-01'))).toEqual(['p']);
    expect(ids(await send('GET', 'Observation?subject:Patient.name=Mokoena'))).toEqual(['lab']);
    expect((await send('GET', 'Observation/vital')).status).toBe(404);
    expect((await send('GET', 'Condition')).status).toBe(403);
  });

  it('does not write what it sees with holes', async () => {
    const send = await laboratory();
    const patch = [{ op: 'test', path: '/telecom/0/value', value: '5551234' }];
    expect((await send('PATCH', 'Patient/p', patch, { 'content-type': 'application/json-patch+json' })).status).toBe(403);
    expect((await send('PUT', 'Patient/p', { resourceType: 'Patient', id: 'p' })).status).toBe(403);
    expect((await send('DELETE', 'Patient/p')).status).toBe(403);
  }); // prettier-ignore

  it('keeps its masks beside a role that shows only some of the type, and loses them beside one that shows all', () => {
    const two = (other: Role) =>
      smartGrant(
        { ...identity('laboratory'), user: { account: 'a', fhirUser: 'Practitioner/p', roles: ['laboratory', 'other'] } },
        settings,
        { ...rolesAlone, roles: new Map([...shipped, ['other', other]]) },
      ); // prettier-ignore
    const sees = (where?: string): Role => ({
      says: 'x',
      reach: 'all',
      permissions: [{ types: ['Patient'], may: 'rs', ...(where === undefined ? {} : { where }) }],
    });
    expect(two(sees('active=true')).masks!.get('Patient')).toContain('telecom');
    expect(two(sees()).masks!.get('Patient')).toBeUndefined();
  });
});

onEveryStore('the role book', {}, tsela => {
  it('keeps what is set, refuses what is none, and goes back', async () => {
    const book = openRoles(tsela().system.documents);
    expect(await book.all()).toEqual(shipped);
    const narrow: Role = {
      says: 'Only patients.',
      reach: 'all',
      permissions: [{ types: ['Patient'], may: 'rs' }],
    };
    await book.set('nurse', narrow);
    expect((await openRoles(tsela().system.documents).all()).get('nurse')).toEqual(narrow);
    await expect(book.set('nurse', { says: 'x' })).rejects.toThrow('reach');
    await expect(book.set('wizard', narrow)).rejects.toThrow('no role "wizard"');
    expect(await book.reset('nurse')).toBe(true);
    expect(await book.all()).toEqual(shipped);
  });
});

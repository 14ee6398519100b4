// Large Bundles in their thread: answered as on the main thread, with what the main thread knows known there at once and
// the other way round, and with everything that was accepted finished.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPEN } from '../../src/auth/grant.js';
import { defaultConfig } from '../../src/config.js';
import { facilityPath, putFacility } from '../../src/facilities/facility.js';
import type { FhirRequest } from '../../src/interactions/exchange.js';
import { start } from '../../src/main.js';
import { silentLog } from '../../src/audit/log.js';
import { createSystem, type System } from '../../src/system.js';
import { openDistrict, type District } from '../../src/system/district.js';
import { carryLargeBundles, type LargeBundles } from '../../src/system/large-bundles.js';
import { colour, colouredPatient, settled } from '../operations/custom-parameter.js';
import { onEveryStore, openTsela, type Answer, type Tsela } from '../system.js';
import type { Json } from '../json.js';

const entry = (method: string, url: string, resource?: object, more: object = {}) => ({
  ...(resource && { resource }),
  request: { method, url, ...more },
});
const bundle = (type: string, ...entries: object[]) => ({ resourceType: 'Bundle', type, entry: entries });
const patient = (id: string, more: object = {}) => ({ resourceType: 'Patient', id, ...more });
const observation = (id: string, more: object = {}) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { text: 'x' },
  subject: { reference: 'Patient/p' },
  ...more,
});
const statuses = ({ body }: Answer): string[] =>
  (body['entry'] as { response: { status: string } }[]).map(one => one.response.status.slice(0, 3));

/** Ids that the server gives, and times. */
const withoutOwn = ({ status, headers, text }: Answer): object => ({
  status,
  headers,
  text: text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<id>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/_cursor=[\w-]*/g, '<place>'),
});

describe('the same Bundles', () => {
  let here: Tsela;
  let there: Tsela;
  beforeAll(async () => {
    here = await openTsela('SQLite', { conditionalDelete: 'multiple', audit: 'on' });
    there = await openTsela('SQLite', { conditionalDelete: 'multiple', audit: 'on' }, { isCarried: true });
  });
  afterAll(async () => {
    await here?.close();
    await there?.close();
  });

  const uuid = 'urn:uuid:00000000-0000-4000-8000-000000000001';
  const meta = {
    resourceType: 'Parameters',
    parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'a' }] } }],
  };
  const jsonPatch = (...operations: object[]) => ({
    resourceType: 'Binary',
    contentType: 'application/json-patch+json',
    data: Buffer.from(JSON.stringify(operations)).toString('base64'),
  });
  const sent: [what: string, body: unknown, headers?: Record<string, string>][] = [
    ['a transaction', bundle('transaction', entry('PUT', 'Patient/p', patient('p', { birthDate: '1980' })), { ...entry('POST', 'Patient', { resourceType: 'Patient', identifier: [{ value: '1' }] }, { ifNoneExist: 'identifier=1' }), fullUrl: uuid }, entry('POST', 'Observation', { ...observation('o'), id: undefined, subject: { reference: uuid } }), entry('GET', 'Patient/p'))],
    ['one that gives back what it wrote', bundle('transaction', entry('PUT', 'Observation/o', observation('o'))), { prefer: 'return=representation' }],
    ['one that refers by criteria', bundle('transaction', entry('POST', 'Observation', { ...observation('o'), id: undefined, subject: { reference: 'Patient?identifier=1' } }))],
    ['one of criteria, patches and deletions', bundle('transaction', entry('DELETE', 'Observation?code:text=none'), entry('PATCH', 'Patient/p', jsonPatch({ op: 'add', path: '/active', value: true })), entry('DELETE', 'Observation/o'))],
    ['If-Match that fails', bundle('transaction', entry('PUT', 'Patient/p', patient('p'), { ifMatch: 'W/"9"' }))],
    ['an invariant that does not hold', bundle('transaction', entry('PUT', 'Patient/q', patient('q')), entry('PUT', 'Observation/q', observation('q', { referenceRange: [{}] })))],
    ['what has no structure', bundle('transaction', entry('PUT', 'Patient/q', patient('q', { birthDate: 'x' })))],
    ['references to nothing', bundle('transaction', entry('PUT', 'Observation/q', observation('q', { subject: { reference: 'Patient/none' } })))],
    ['a batch', bundle('batch', entry('PUT', 'Patient/b', patient('b')), entry('GET', 'Patient/none'), entry('GET', 'Patient?birthdate=1980&_count=1'), entry('POST', 'Patient', { resourceType: 'Patient', nope: 1 }), entry('GET', 'Patient/p/_history'), entry('DELETE', 'Patient/none'), entry('POST', ''))],
    ['a batch of operations', bundle('batch', entry('POST', 'Patient/b/$meta-add', meta), entry('GET', 'Patient/b/$meta'), entry('POST', 'Patient/$validate', patient('v')), entry('GET', 'metadata?_elements=status'), entry('GET', 'Patient/b/$none'))],
    ['another type of Bundle', bundle('collection')],
    ['no Bundle', patient('x')],
    ['no JSON', '{"resourceType":"Bundle","entry":[{]}'],
    ['pretty', bundle('transaction', entry('GET', 'Patient/p'))],
  ]; // prettier-ignore

  it.each(sent)('are answered the same: %s', async (what, body, headers = {}) => {
    const url = what === 'pretty' ? '?_pretty=true' : '';
    const [one, other] = [await here.send('POST', url, body, headers), await there.send('POST', url, body, headers)];
    expect(withoutOwn(other)).toEqual(withoutOwn(one));
  }); // prettier-ignore

  it('leave the same records and the same trail', async () => {
    for (const url of [
      'Patient?_sort=_id',
      'Observation?_sort=_lastUpdated',
      'Patient/_history',
      'Observation/_history',
    ]) {
      const count = async ({ send }: Tsela): Promise<object> => withoutOwn(await send('GET', url));
      expect(await count(there), url).toEqual(await count(here));
    }
    const trail = async ({ send }: Tsela): Promise<string[]> => {
      const { body } = await send('GET', 'AuditEvent?_count=1000');
      const events = (body['entry'] as { resource: { action: string; outcome: string; subtype?: { code: string }[]; entity?: { what?: { reference?: string } }[] } }[]).map(one => one.resource); // prettier-ignore
      return events
        .map(({ action, outcome, subtype, entity }) =>
          JSON.stringify([
            action,
            outcome,
            subtype?.map(one => one.code),
            entity?.map(one => one.what?.reference?.replace(/[0-9a-f-]{36}/, '<id>')),
          ]),
        ) // prettier-ignore
        .sort();
    };
    expect(await trail(there)).toEqual(await trail(here));
  });
});

onEveryStore(
  'between the threads',
  { validation: 'full' },
  tsela => {
    const post = (...entries: object[]): Promise<Answer> => tsela().send('POST', '', bundle('transaction', ...entries)); // prettier-ignore
    const profile = (id: string) => ({
      resourceType: 'StructureDefinition',
      id,
      url: `http://example.org/${id}`,
      name: 'P',
      status: 'active',
      kind: 'resource',
      abstract: false,
      type: 'Basic',
      baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Basic',
      derivation: 'constraint',
      differential: { element: [{ id: 'Basic.created', path: 'Basic.created', min: 1 }] },
    });
    const basic = (id: string, of: string) => ({ resourceType: 'Basic', id, code: { text: 'x' }, meta: { profile: [`http://example.org/${of}`] } }); // prettier-ignore

    it('a profile that one stores binds the other at once', async () => {
      expect((await tsela().send('PUT', 'StructureDefinition/main', profile('main'))).status).toBe(201);
      expect((await post(entry('PUT', 'Basic/b', basic('b', 'main')))).status).toBe(422);
      expect((await post(entry('PUT', 'StructureDefinition/thread', profile('thread')))).status).toBe(200);
      expect((await tsela().send('PUT', 'Basic/b', basic('b', 'thread'))).status).toBe(422);
      const loose = { ...profile('main'), differential: { element: [{ id: 'Basic', path: 'Basic' }] } };
      expect((await tsela().send('PUT', 'StructureDefinition/main', loose)).status).toBe(200);
      expect((await post(entry('PUT', 'Basic/b', basic('b', 'main')))).status).toBe(200);
    });

    it('codes that one stores are known to the other at once', async () => {
      const system = (id: string) => ({ resourceType: 'CodeSystem', id, url: `http://example.org/${id}`, status: 'active', content: 'complete', concept: [{ code: 'a' }] }); // prettier-ignore
      const judged = async (id: string): Promise<unknown> =>
        (await tsela().send('GET', `CodeSystem/$validate-code?url=http://example.org/${id}&code=a`)).body['parameter']?.[0]?.valueBoolean; // prettier-ignore
      expect((await post(entry('PUT', 'CodeSystem/codes', system('codes')))).status).toBe(200);
      expect(await judged('codes')).toBe(true);
      expect((await post(entry('PUT', 'CodeSystem/codes', { ...system('codes'), concept: [{ code: 'b' }] }))).status).toBe(200); // prettier-ignore
      expect(await judged('codes')).toBe(false);
    });

    it('a search parameter that comes into use is used in both', async () => {
      tsela().system.work();
      await tsela().send('PUT', `SearchParameter/${String(colour['id'])}`, colour);
      await post(entry('PUT', 'Patient/red', colouredPatient('red', 'red')));
      const started = await tsela().send('POST', `SearchParameter/${String(colour['id'])}/$reindex`);
      expect(started.status).toBe(202);
      await settled(tsela(), started);
      const again = await post(entry('POST', 'Patient', { ...colouredPatient('x', 'red'), id: undefined }, { ifNoneExist: `${String(colour['code'])}=red` })); // prettier-ignore
      expect([again.status, statuses(again)]).toEqual([200, ['200']]);
    });

    it('a consent that one stores closes what it is about in the other', async () => {
      await post(
        entry('PUT', 'Patient/p', patient('p')),
        ...Array.from({ length: 250 }, (_, i) => entry('PUT', `Observation/o${i}`, observation(`o${i}`))),
      );
      const doctor = { sub: 'd', clientId: 'app', user: { account: 'd', fhirUser: 'Practitioner/d', roles: ['doctor'] }, scopes: ['user/*.cruds'], grantId: 'g' }; // prettier-ignore
      const send = tsela().as(await tsela().system.compile(doctor));
      const seen = async (): Promise<number> => (await send('GET', 'Observation?subject=Patient/p&_summary=count')).body['total']; // prettier-ignore
      expect(await seen()).toBe(250);
      const consent = {
        resourceType: 'Consent',
        id: 'c',
        status: 'active',
        scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] }, // prettier-ignore
        category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
        patient: { reference: 'Patient/p' },
        policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] }, // prettier-ignore
      };
      // More than one commit labels: what is left is closed until it has its labels.
      expect((await post(entry('PUT', 'Consent/c', consent))).status).toBe(200);
      expect(await seen()).toBe(0);
      const carried = await send('POST', '', bundle('batch', entry('GET', 'Observation/o1'), entry('GET', 'Observation/o249'))); // prettier-ignore
      expect(statuses(carried)).toEqual(['404', '404']);
    });

    it('writers of the same resource take turns', async () => {
      await tsela().send('PUT', 'Patient/busy', patient('busy'));
      const write = (i: number): object => patient('busy', { multipleBirthInteger: i });
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) =>
          i % 2 === 0 ? tsela().send('PUT', 'Patient/busy', write(i)) : post(entry('PUT', 'Patient/busy', write(i))),
        ),
      ); // prettier-ignore
      expect(new Set(answers.map(one => one.status))).toEqual(new Set([200]));
      expect((await tsela().send('GET', 'Patient/busy')).body['meta'].versionId).toBe('41');
    });

    it('an Idempotency-Key is served once, whoever serves it', async () => {
      const key = { 'idempotency-key': 'one' };
      const body = bundle('transaction', entry('POST', 'Patient', { resourceType: 'Patient', name: [{ family: 'Once' }] })); // prettier-ignore
      const answers = await Promise.all([1, 2, 3].map(() => tsela().send('POST', '', body, key)));
      expect(new Set(answers.map(one => one.text)).size).toBe(1);
      expect((await tsela().send('GET', 'Patient?family=Once&_summary=count')).body['total']).toBe(1);
    });
  },
  [{ isCarried: true }],
);

describe('a district', () => {
  const origin = 'http://tsela.test';
  let folder: string;
  let main: System;
  let district: District;
  let bundles: LargeBundles;
  const failures: unknown[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tsela-large-'));
    const config = { ...defaultConfig, data: folder };
    const notices = { info: () => undefined, failure: (error: unknown) => void failures.push(error) };
    main = await createSystem(config, `${origin}/fhir`, notices);
    await putFacility(main.documents, { id: 'quthing', name: 'Quthing', organizations: [], clients: [] }, true); // prettier-ignore
    const parts = { config, origin, main, notices, isAudited: false };
    district = await openDistrict(parts);
    bundles = carryLargeBundles({ ...parts, district, from: 0 });
    expect(await bundles.start()).toBe(true);
  });
  afterAll(async () => {
    await bundles.close();
    await district.close();
    await main.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const request = (facility: string, body: object): FhirRequest => ({
    method: 'POST',
    path: [],
    query: [],
    headers: {},
    base: origin + facilityPath(facility),
    id: 'test',
    body: Buffer.from(JSON.stringify(body)),
  });

  it('has its facilities in the thread, those of later too', async () => {
    const write = (id: string): object => bundle('transaction', entry('PUT', `Patient/${id}`, patient(id)));
    expect((await bundles.dispatch(request('quthing', write('a')), OPEN)).status).toBe(200);
    expect((await district.systemOf('quthing').store.read({ type: 'Patient', id: 'a' }))?.version).toBe(1);
    await putFacility(main.documents, { id: 'maseru', name: 'Maseru', organizations: [], clients: [] }, true); // prettier-ignore
    await district.look();
    expect((await bundles.dispatch(request('maseru', write('b')), OPEN)).status).toBe(200);
    await expect.poll(() => bundles.start()).toBe(true);
    expect((await bundles.dispatch(request('maseru', write('c')), OPEN)).status).toBe(200);
    const { store } = district.systemOf('maseru');
    expect(await store.readMany(['b', 'c'].map(id => ({ type: 'Patient', id })))).toHaveLength(2);
    await expect(bundles.dispatch(request('none', write('d')), OPEN)).rejects.toMatchObject({ code: 'not-found' }); // prettier-ignore
    expect(failures).toEqual([]);
  });

  it('goes on where the thread dies, and lets go of what it held', async () => {
    const told: unknown[] = [];
    const notices = { info: () => undefined, failure: (error: unknown) => void told.push(error) };
    const config = { ...defaultConfig, data: folder };
    const mortal = carryLargeBundles({ config, origin, main, district, notices, isAudited: false, from: 0, heap: 64 }); // prettier-ignore
    expect(await mortal.start()).toBe(true);
    const many = Array.from({ length: 20_000 }, (_, i) =>
      entry('PUT', `Patient/m${i}`, patient(`m${i}`, { name: [{ family: `${i}`, given: ['a', 'b', 'c'] }] })),
    );
    await expect(mortal.dispatch(request('quthing', bundle('transaction', ...many)), OPEN)).rejects.toMatchObject({ code: 'unavailable' }); // prettier-ignore
    expect(told).toMatchObject([{ code: 'ERR_WORKER_OUT_OF_MEMORY' }]);
    const { store } = district.systemOf('quthing');
    expect(await store.read({ type: 'Patient', id: 'm0' })).toBeUndefined();
    const small = bundle('transaction', entry('PUT', 'Patient/m0', patient('m0')));
    expect((await mortal.dispatch(request('quthing', small), OPEN)).status).toBe(200);
    await mortal.close();
  });

  it('goes on without a thread that cannot start', async () => {
    const told: unknown[] = [];
    const notices = { info: () => undefined, failure: (error: unknown) => void told.push(error) };
    const config = { ...defaultConfig, data: join(folder, 'lock\0') };
    const without = carryLargeBundles({ config, origin, main, district, notices, isAudited: false, from: 0 });
    expect(await without.start()).toBe(false);
    const body = bundle('transaction', entry('PUT', 'Patient/w', patient('w')));
    expect((await without.dispatch(request('quthing', body), OPEN)).status).toBe(200);
    expect(told).toHaveLength(1);
    await without.close();
  });
});

it('finishes what was accepted before it stops', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tsela-large-'));
  const config = { ...defaultConfig, data: folder, open: true, port: 0, audit: 'on' as const };
  const text = {
    status: 'generated',
    div: `<div xmlns="http://www.w3.org/1999/xhtml">${'x'.repeat(2000)}</div>`,
  };
  const body = (round: string): string => JSON.stringify(bundle('transaction', ...Array.from({ length: 300 }, (_, i) => entry('PUT', `Basic/${round}${i}`, { resourceType: 'Basic', id: `${round}${i}`, code: { text: 'x' }, text })))); // prettier-ignore
  const headers = { 'content-type': 'application/fhir+json' };
  let hasThread = false;
  const info = (_: object, message: string): void => void (hasThread ||= message === 'Large Bundles have a thread'); // prettier-ignore
  const running = await start(config, { ...silentLog, info });
  let rounds = 0;
  for (; !hasThread || rounds < 3; rounds++) {
    const answer = await fetch(running.url, { method: 'POST', headers, body: body(`r${rounds}-`) });
    expect(answer.status).toBe(200);
  }
  const last = fetch(running.url, { method: 'POST', headers, body: body('last-') });
  // Accepted once another that came after it is answered.
  await fetch(`${running.url}/Basic/r0-1`);
  const closed = running.close();
  expect((await last).status).toBe(200);
  await closed;
  const again = await start(config, silentLog);
  try {
    const found = (await (await fetch(`${again.url}/Basic?_summary=count`)).json()) as { total: number };
    const wanted = 300 * (rounds + 1);
    expect(found.total).toBe(wanted);
    const trail = (await (await fetch(`${again.url}/AuditEvent?_count=1000`)).json()) as Json;
    const written = (trail['entry'] as Json[])
      .filter(one => one['resource'].action !== 'R')
      .flatMap(one => (one['resource'].entity ?? []) as Json[])
      .flatMap(({ what }) => (/^Basic.*_history/.test(what?.reference) ? [what.reference as string] : []));
    expect(written).toHaveLength(wanted);
    expect(new Set(written).size).toBe(wanted);
  } finally {
    await again.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

// $reindex: custom search parameters on every store, from being stored to being given up. docs/search-parameters.md
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onEveryStore, openTsela, stores, type Tsela } from '../system.js';
import {
  colour,
  colouredPatient,
  custom,
  idsOf,
  settled,
  Stepped,
  use,
  type Json,
} from './custom-parameter.js';

const reindex = (tsela: Tsela, ...urls: string[]): ReturnType<Tsela['send']> =>
  tsela.send('POST', '$reindex', {
    resourceType: 'Parameters',
    parameter: urls.map(url => ({ name: 'url', valueCanonical: url })),
  });

async function complaints({ system }: Tsela): Promise<string[]> {
  const all: string[] = [];
  for await (const one of system.store.check(system.rowsOf)) all.push(one);
  return all;
}

onEveryStore('a custom search parameter', {}, tsela => {
  const put = async (resource: Json): Promise<void> => {
    const { status, text } = await tsela().send('PUT', `${String(resource['resourceType'])}/${String(resource['id'])}`, resource); // prettier-ignore
    expect(status, text).toBeLessThan(300);
  };
  beforeAll(async () => {
    tsela().system.work();
    for (const [i, one] of ['red', 'green', 'blue', 'Red'].entries())
      await put({ ...colouredPatient(`p${i}`, one), active: i < 2, multipleBirthInteger: i + 1 });
    await put({
      resourceType: 'Observation',
      id: 'o1',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'Patient/p1' },
      extension: [{ url: 'http://example.org/second', valueReference: { reference: 'Patient/p2' } }],
    });
  });

  test('is stored without changing search; $reindex makes it searchable, sortable, chainable', async () => {
    const { send } = tsela();
    await put(colour);
    const unknown = await send('GET', 'Patient?colour=red');
    expect(unknown.status).toBe(400);
    expect(unknown.text).toContain('has no search parameter');

    const done = await settled(tsela(), await send('POST', 'SearchParameter/colour/$reindex'));
    expect(done.status, done.text).toBe(200);
    expect(done.body['parameter']).toEqual([
      { name: 'activated', valueCanonical: colour.url },
      { name: 'resources', valueInteger: 4 },
    ]);
    expect(idsOf(await send('GET', 'Patient?colour=red'))).toEqual(['p0', 'p3']);
    expect(idsOf(await send('GET', 'Patient?colour:exact=Red'))).toEqual(['p3']);
    expect(idsOf(await send('GET', 'Patient?colour:contains=ree'))).toEqual(['p1']);
    expect(idsOf(await send('GET', 'Patient?colour=yellow'))).toEqual([]);
    expect(idsOf(await send('GET', 'Patient?_sort=colour&colour:missing=false'))).toEqual(['p2', 'p1', 'p0', 'p3']); // prettier-ignore
    expect(idsOf(await send('GET', 'Patient?_sort=-colour&_count=2'))).toEqual(['p0', 'p3']);
    expect(idsOf(await send('GET', 'Observation?subject:Patient.colour=green'))).toEqual(['o1']);
    expect(idsOf(await send('GET', 'Observation?patient.colour=green'))).toEqual(['o1']);
    expect(idsOf(await send('GET', 'Observation?patient.colour=blue'))).toEqual([]);
    expect(idsOf(await send('GET', 'Patient?_filter=colour eq "green"'))).toEqual(['p1']);
    expect(idsOf(await send('GET', 'Patient?_filter=colour co "lu" and active eq true'))).toEqual([]);
    expect((await send('POST', 'SearchParameter/colour/$reindex')).status).toBe(200);
    const statement = await send('GET', 'metadata');
    const rest = statement.body['rest'][0] as { resource: { type: string; searchParam: Json[] }[] };
    expect(rest.resource.find(one => one.type === 'Patient')!.searchParam).toContainEqual({
      name: 'colour',
      type: 'string',
      definition: colour.url,
    });
  });

  test('holds for what is written later, in transactions and conditional interactions too', async () => {
    const { send } = tsela();
    await put(colouredPatient('p4', 'violet', 'amber'));
    expect(idsOf(await send('GET', 'Patient?colour=violet'))).toEqual(['p4']);
    await put(colouredPatient('p4', 'amber'));
    expect(idsOf(await send('GET', 'Patient?colour=violet'))).toEqual([]);
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { resource: colouredPatient('x', 'teal'), request: { method: 'POST', url: 'Patient', ifNoneExist: 'colour=amber' } },
        { resource: colouredPatient('x', 'teal'), request: { method: 'POST', url: 'Patient', ifNoneExist: 'colour=teal' } },
      ],
    }; // prettier-ignore
    const done = await send('POST', '', bundle);
    expect(done.status, done.text).toBe(200);
    expect((done.body['entry'] as { response: { status: string } }[]).map(one => one.response.status.slice(0, 3))).toEqual(['200', '201']); // prettier-ignore
    expect((await send('DELETE', 'Patient?colour=teal')).status).toBeLessThan(300);
    expect((await send('DELETE', 'Patient/p4')).status).toBeLessThan(300);
    expect(idsOf(await send('GET', 'Patient?colour=amber,teal'))).toEqual([]);
  });

  test('may be a reference: chains, _has, _include, _revinclude', async () => {
    const { send } = tsela();
    const second = custom('second', {
      base: ['Observation'],
      type: 'reference',
      target: ['Patient'],
      expression: "Observation.extension.where(url = 'http://example.org/second').value",
    });
    await use(tsela(), second);
    expect(idsOf(await send('GET', 'Observation?second=Patient/p2'))).toEqual(['o1']);
    expect(idsOf(await send('GET', 'Observation?second=p1'))).toEqual([]);
    expect(idsOf(await send('GET', 'Observation?second.colour=blue'))).toEqual(['o1']);
    expect(idsOf(await send('GET', 'Patient?_has:Observation:second:status=final'))).toEqual(['p2']);
    expect(idsOf(await send('GET', 'Observation?_include=Observation:second'))).toEqual(['o1', 'p2']);
    expect(idsOf(await send('GET', 'Patient?_id=p2&_revinclude=Observation:second'))).toEqual(['p2', 'o1']);
    expect(idsOf(await send('GET', 'Observation?_include=Observation:*')).sort()).toEqual(['o1', 'p1', 'p2']);
  });

  test('may be of any type, and a composite of others', async () => {
    const { send } = tsela();
    const order = custom('birth-order', {
      type: 'number',
      expression: 'Patient.multipleBirth.ofType(integer)',
    });
    const inUse = custom('in-use', { type: 'token', expression: 'Patient.active' });
    const both = custom('colour-and-use', {
      type: 'composite',
      expression: 'Patient',
      component: [
        { definition: colour.url, expression: "extension.where(url = 'http://example.org/colour').value" },
        { definition: inUse.url, expression: 'active' },
      ],
    });
    await use(tsela(), order, inUse, both);
    expect(idsOf(await send('GET', 'Patient?birth-order=gt2'))).toEqual(['p2', 'p3']);
    expect(idsOf(await send('GET', 'Patient?_sort=-birth-order&birth-order:missing=false'))).toEqual(['p3', 'p2', 'p1', 'p0']); // prettier-ignore
    expect(idsOf(await send('GET', 'Patient?colour-and-use=red$true'))).toEqual(['p0']);
    expect(idsOf(await send('GET', 'Patient?colour-and-use=red$false'))).toEqual(['p3']);
    // What a composite is made of stays as it is while the composite is used.
    await put({ ...inUse, type: 'string', expression: 'Patient.gender', status: 'active' });
    const alone = await settled(tsela(), await reindex(tsela(), inUse.url));
    expect(alone.status, alone.text).toBe(409);
    expect(alone.text).toContain('is a component of');
    await put(inUse);
  });

  test('leaves nothing behind when it is retired or deleted', async () => {
    const { send } = tsela();
    const gone = custom('gone', { type: 'token', expression: 'Patient.active' });
    await use(tsela(), gone);
    expect(idsOf(await send('GET', 'Patient?gone=true'))).toEqual(['p0', 'p1']);
    await put({ ...gone, status: 'retired' });
    expect(idsOf(await send('GET', 'Patient?gone=true'))).toEqual(['p0', 'p1']); // until it is said
    const done = await settled(tsela(), await send('POST', 'SearchParameter/gone/$reindex'));
    expect(done.body['parameter']).toContainEqual({ name: 'deactivated', valueCanonical: gone.url });
    expect((await send('GET', 'Patient?gone=true')).text).toContain('has no search parameter');
    expect(await complaints(tsela())).toEqual([]);
    const refused = await send('POST', 'SearchParameter/gone/$reindex');
    expect(refused.status).toBe(422);
    expect(refused.text).toContain('only an active search parameter can be used');

    await use(tsela(), gone);
    await send('DELETE', 'SearchParameter/gone');
    expect(idsOf(await send('GET', 'Patient?gone=true'))).toEqual(['p0', 'p1']);
    expect((await settled(tsela(), await reindex(tsela(), gone.url))).status).toBe(200);
    expect((await send('GET', 'Patient?gone=true')).status).toBe(400);
    expect((await reindex(tsela(), gone.url)).status).toBe(404);
    expect(await complaints(tsela())).toEqual([]);
  });

  const string = { type: 'string', expression: 'Patient.name.family' };
  test.each<[string, Json, RegExp]>([
    ['a code of R4', { ...string, code: 'family' }, /Patient has a search parameter .*family/],
    ['a code of R4 in one of its types', { ...string, base: ['Group', 'Patient'], code: 'member' }, /Group has a search parameter/],
    ['a code in use', { ...string, code: 'colour' }, /Patient has a search parameter .*colour.* already: http:..example.org.SearchParameter.colour/],
    ['a url of R4', { ...string, url: 'http://hl7.org/fhir/SearchParameter/individual-family' }, /of FHIR R4 itself/],
    ['a code with a meaning', { ...string, code: 'a:b' }, /cannot name a criterion/],
    ['no FHIRPath', { ...string, expression: 'Patient.name.(' }, /cannot be used for Patient/],
    ['an unknown function', { ...string, expression: 'Patient.name.nothing()' }, /cannot be used for Patient/],
    ['an element there is not', { ...string, expression: 'Patient.surname' }, /Patient has no element surname/],
    ['no element in one of its types', { ...string, base: ['Patient', 'Group'] }, /Group/],
    ['a type that does not fit', { ...string, type: 'date' }, /string in Patient, which cannot be searched as date/],
    ['a reference that is none', { ...string, type: 'reference' }, /cannot be searched as reference/],
    ['no expression', { type: 'string' }, /Without an expression/],
    ['the type special', { ...string, type: 'special' }, /type special/],
    ['a composite of nothing', { type: 'composite', expression: 'Patient' }, /at least two components/],
    ['a composite of the unknown', { type: 'composite', expression: 'Patient', component: [{ definition: 'http://example.org/none', expression: 'name' }, { definition: colour.url, expression: 'active' }] }, /http:..example.org.none is no parameter in use/],
    ['a draft', { ...string, status: 'draft' }, /only an active search parameter/],
    ['a usage that is not here', { ...string, xpathUsage: 'phonetic' }, /usage .*phonetic/],
  ])('is refused with %s', async (_, more, message) => {
    const { send } = tsela();
    await put(custom('refused', more));
    const refused = await send('POST', 'SearchParameter/refused/$reindex');
    expect([refused.status, refused.body['resourceType']]).toEqual([422, 'OperationOutcome']);
    expect(refused.text).toMatch(message);
  }); // prettier-ignore

  test('is not replaced silently: two stored ones with its url are told', async () => {
    await put({ ...colour, id: 'colour-2' });
    const refused = await reindex(tsela(), colour.url);
    expect(refused.status).toBe(412);
    expect(refused.text).toContain('SearchParameter/colour-2');
    await tsela().send('DELETE', 'SearchParameter/colour-2');
  });

  test('is named by its canonical url', async () => {
    expect((await reindex(tsela(), 'http://example.org/none')).status).toBe(404);
    const none = await tsela().send('POST', '$reindex', { resourceType: 'Parameters' });
    expect(none.text).toContain('Name at least one');
    const wrong = { resourceType: 'Parameters', parameter: [{ name: 'type', valueString: 'Patient' }] };
    expect((await tsela().send('POST', '$reindex', wrong)).text).toContain('$reindex takes url');
    expect((await tsela().send('POST', 'Patient/$reindex')).status).toBe(404);
    expect((await tsela().send('POST', 'SearchParameter/none/$reindex')).status).toBe(404);
    expect((await tsela().send('GET', '$job/none')).status).toBe(404);
  });

  test('is for those who may update SearchParameter', async () => {
    const reader = { id: 'reader', principal: 'reader', visible: () => ({ op: 'all' }) as const, permits: (what: string) => what === 'read' || what === 'search' }; // prettier-ignore
    const send = tsela().as(reader);
    expect((await send('POST', 'SearchParameter/colour/$reindex')).status).toBe(403);
    const body = { resourceType: 'Parameters', parameter: [{ name: 'url', valueCanonical: colour.url }] };
    expect((await send('POST', '$reindex', body)).status).toBe(403);
    const [job] = await tsela().system.queue.list();
    expect((await send('GET', `$job/${job!.id}`)).status).toBe(404);
    expect((await send('DELETE', `$job/${job!.id}`)).status).toBe(404);
    expect((await tsela().send('GET', `$job/${job!.id}`)).status).toBe(200);
  });
});

// The worker does not run here: the test lets each job on from checkpoint to checkpoint.
for (const store of stores) {
  const absent = store === 'MongoDB' && process.env['MONGODB_URL'] === undefined;
  describe.skipIf(absent)(
    `a reindex half-way on ${store}${absent ? ' (skipped: MONGODB_URL is not set)' : ''}`,
    () => {
      let tsela: Tsela;
      const count = 450;
      beforeAll(async () => {
        tsela = await openTsela(store, { bundleLimit: 1000 });
        const entry = Array.from({ length: count }, (_, i) => ({
          resource: colouredPatient(`p${i}`, i % 2 ? 'odd' : 'even'),
          request: { method: 'PUT', url: `Patient/p${i}` },
        }));
        const { status, text } = await tsela.send('POST', '', {
          resourceType: 'Bundle',
          type: 'transaction',
          entry,
        });
        expect(status, text).toBe(200);
        await tsela.send('PUT', 'SearchParameter/colour', colour);
      });
      afterAll(() => tsela?.close());
      const total = async (query: string): Promise<unknown> => {
        const answer = await tsela.send('GET', `${query}&_summary=count`);
        return answer.status === 200 ? answer.body['total'] : answer.text;
      };

      test('refuses the parameter, lets everything else go on, and ends with what was written meanwhile', async () => {
        const { send } = tsela;
        const accepted = await reindex(tsela, colour.url);
        expect(accepted.status).toBe(202);
        const again = await reindex(tsela, colour.url);
        expect(again.headers['content-location']).toBe(accepted.headers['content-location']);
        const status = accepted.headers['content-location']!.split('/fhir/')[1]!;
        expect((await send('GET', status)).headers['x-progress']).toBe('waiting');

        const job = await Stepped.begin(tsela);
        expect(await job.at()).toBe('indexing');
        expect((await send('GET', status)).headers['x-progress']).toBe(`indexing: 200 of ${count} (44 %)`);
        for (const query of ['Patient?colour=odd', 'Patient?_sort=colour', 'Patient?_filter=colour eq "odd"', 'Patient?colour:missing=true', 'Observation?patient.colour=odd', 'Patient?_has:Observation:patient:subject:Patient.colour=odd']) {
        for (const prefer of ['handling=strict', 'handling=lenient']) {
          const refused = await send('GET', query, undefined, { prefer });
          expect([refused.status, refused.headers['retry-after']], query).toEqual([409, query.includes('_filter') ? undefined : '10']);
          expect(refused.text).toContain('still being made');
        }
      } // prettier-ignore
        expect(await total('Patient?_id=p1')).toBe(1);

        // Behind the cursor and before it: changed, deleted, made.
        for (const i of [1, 401])
          expect((await send('PUT', `Patient/p${i}`, colouredPatient(`p${i}`, 'new'))).status).toBe(200);
        for (const i of [3, 403])
          expect(
            (await send('PUT', `Patient/p${i}`, { ...colouredPatient(`p${i}`, 'odd'), active: true })).status,
          ).toBe(200);
        for (const i of [5, 405]) expect((await send('DELETE', `Patient/p${i}`)).status).toBeLessThan(300);
        expect((await send('PUT', 'Patient/later', colouredPatient('later', 'new'))).status).toBe(201); // prettier-ignore
        await job.toEnd();
        expect(await total('Patient?colour=odd')).toBe(count / 2 - 4);
        expect(await total('Patient?colour=even')).toBe(count / 2);
        expect(idsOf(await send('GET', 'Patient?colour=new'))).toEqual(['p1', 'p401', 'later']);
        expect((await send('GET', status)).body['resourceType']).toBe('Parameters');
        expect(await complaints(tsela)).toEqual([]);
      });

      test('answers by the old definition until the new one is whole', async () => {
        const { send } = tsela;
        const changed = { ...colour, type: 'token', expression: 'Patient.active' };
        expect((await send('PUT', 'SearchParameter/colour', changed)).status).toBe(200);
        expect((await reindex(tsela, colour.url)).status).toBe(202);
        const job = await Stepped.begin(tsela);
        expect(await job.at()).toBe('indexing');
        expect(idsOf(await send('GET', 'Patient?colour=new'))).toEqual(['p1', 'p401', 'later']);
        await send('PUT', 'Patient/later', { ...colouredPatient('later', 'newer'), active: true });
        expect(idsOf(await send('GET', 'Patient?colour=newer'))).toEqual(['later']);
        await job.toEnd();
        expect(idsOf(await send('GET', 'Patient?colour=true'))).toEqual(['p3', 'p403', 'later']);
        expect((await send('GET', 'Patient?colour=newer')).body['total'] ?? 0).toBe(0);
        expect(await complaints(tsela)).toEqual([]);
      });

      test('is undone when it is cancelled, and leaves what was there before', async () => {
        const { send } = tsela;
        expect((await send('PUT', 'SearchParameter/colour', colour)).status).toBe(200);
        const accepted = await reindex(tsela, colour.url);
        const status = accepted.headers['content-location']!.split('/fhir/')[1]!;
        const job = await Stepped.begin(tsela);
        expect(await job.at()).toBe('indexing');
        expect((await send('DELETE', status)).status).toBe(202);
        expect((await send('GET', status)).status).toBe(404);
        await job.toEnd();
        expect((await send('DELETE', status)).status).toBe(404);
        expect(idsOf(await send('GET', 'Patient?colour=true'))).toEqual(['p3', 'p403', 'later']);
        expect(tsela.system.parameters.inUse()).toHaveLength(1);
        expect(await complaints(tsela)).toEqual([]);
      });

      test('goes on at its checkpoint in the next process, and loses nothing at any of them', async () => {
        const { send } = tsela;
        for (let steps = 1; ; steps++) {
          expect((await send('PUT', 'SearchParameter/colour', { ...colour, expression: `${String(colour['expression'])} | Patient.name.where(use = '${steps}').family` })).status).toBe(200); // prettier-ignore
          expect((await reindex(tsela, colour.url)).status).toBe(202);
          const job = await Stepped.begin(tsela);
          let step = await job.at();
          for (let i = 1; i < steps && step !== ''; i++) step = await job.on();
          if (step === '') break;
          // It is never let on: the job is as a killed process left it.
          const [left] = (await tsela.system.queue.list()).filter(one => one.state === 'running');
          const { owner: _owner, leased: _leased, ...abandoned } = left!;
          await tsela.system.documents.put('jobs', left!.id, { ...abandoned, leased: 0 });
          await (await Stepped.begin(tsela)).toEndFromStart();
          expect(await total('Patient?colour=even'), step).toBe(count / 2);
          expect(await complaints(tsela), step).toEqual([]);
        }
      });
    },
  );
}

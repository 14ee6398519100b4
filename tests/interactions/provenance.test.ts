// X-Provenance: stored with the write it is about, or not at all. https://hl7.org/fhir/R4/http.html#3.1.0.1.13
import { expect, it } from 'vitest';
import type { Grant } from '../../src/auth/grant.js';
import { onEveryStore } from '../system.js';

const provenance = (more: object = {}): Record<string, string> => ({
  'x-provenance': Buffer.from(
    JSON.stringify({
      resourceType: 'Provenance',
      recorded: '2027-01-04T10:00:00Z',
      agent: [{ who: { display: 'Clinic of “Quthing”' } }],
      ...more,
    }),
  ).toString('latin1'),
});
const patient = (id: string, more: object = {}) => ({ resourceType: 'Patient', id, ...more });

onEveryStore('X-Provenance', {}, tsela => {
  const of = async (target: string) => {
    const found = await tsela().send('GET', `Provenance?target=${target}`);
    expect(found.status, found.text).toBe(200);
    return ((found.body['entry'] ?? []) as { resource: Record<string, unknown> }[]).map(one => one.resource);
  };

  it('is stored with a create, an update, a patch and a delete, with the version as its target', async () => {
    const { send } = tsela();
    const created = await send('POST', 'Patient', patient('x'), provenance());
    expect(created.status, created.text).toBe(201);
    const id = created.body['id'] as string;
    await send('PUT', `Patient/${id}`, patient(id, { active: true }), provenance());
    const patch = [{ op: 'replace', path: '/active', value: false }];
    await send('PATCH', `Patient/${id}`, patch, {
      ...provenance(),
      'content-type': 'application/json-patch+json',
    });
    await send('DELETE', `Patient/${id}`, undefined, provenance());
    const targets = (await of(`Patient/${id}`)).map(one => one['target']);
    expect(targets).toHaveLength(4);
    for (const version of [1, 2, 3, 4])
      expect(targets).toContainEqual([{ reference: `Patient/${id}/_history/${version}` }]);
    expect((await of(`Patient/${id}`))[0]!['agent']).toEqual([{ who: { display: 'Clinic of “Quthing”' } }]);
  });

  it('leaves nothing where nothing is written, or the write is refused', async () => {
    const { send } = tsela();
    await send('PUT', 'Patient/same', patient('same'));
    expect((await send('PUT', 'Patient/same', patient('same'), provenance())).status).toBe(200);
    const stale = { ...provenance(), 'if-match': 'W/"9"' };
    expect((await send('PUT', 'Patient/same', patient('same', { active: true }), stale)).status).toBe(412);
    expect(await of('Patient/same')).toEqual([]);
  });

  it.each([
    ['text that is not JSON', { 'x-provenance': '{' }, 'not JSON'],
    ['another type', { 'x-provenance': '{"resourceType":"Patient"}' }, 'of type Provenance'],
    ['a target', provenance({ target: [{ reference: 'Patient/1' }] }), 'has no target'],
    ['what is not valid', provenance({ recorded: 'yesterday' }), 'Provenance.recorded'],
  ])('refuses %s, and does not write', async (_, headers, says) => {
    const answer = await tsela().send('PUT', 'Patient/refused', patient('refused'), headers);
    expect(answer.status).toBe(400);
    expect(answer.text).toContain(says);
    expect((await tsela().send('GET', 'Patient/refused')).status).toBe(404);
  });

  it('needs the permission to create a Provenance', async () => {
    const grant: Grant = {
      id: 'no-provenance',
      principal: 'somebody',
      visible: () => ({ op: 'all' }),
      permits: (_, type) => type !== 'Provenance',
    };
    const answer = await tsela().as(grant)('PUT', 'Patient/p', patient('p'), provenance());
    expect(answer.status).toBe(403);
  });
});

// `_explain=true`: the plan and what the store does with it, for administrators only.
import { beforeAll, expect, it } from 'vitest';
import { OPEN, type Grant } from '../../src/auth/grant.js';
import { none } from '../../src/search/plan.js';
import { onEveryStore, type Answer } from '../system.js';

interface Parameter {
  readonly name: string;
  readonly valueString?: string;
  readonly valueInteger?: number;
  readonly part?: readonly Parameter[];
}
const parametersOf = (answer: Answer): readonly Parameter[] => {
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body['resourceType']).toBe('Parameters');
  return answer.body['parameter'] as readonly Parameter[];
};
const named = (parameters: readonly Parameter[], name: string): readonly Parameter[] =>
  parameters.filter(one => one.name === name);

onEveryStore('_explain', {}, tsela => {
  const get = (url: string) => tsela().send('GET', url);
  beforeAll(async () => {
    for (let i = 0; i < 5; i++) {
      await tsela().send('PUT', `Patient/p${i}`, {
        resourceType: 'Patient',
        id: `p${i}`,
        name: [{ family: 'Sello' }],
      });
      await tsela().send('PUT', `Observation/o${i}`, {
        resourceType: 'Observation',
        id: `o${i}`,
        status: 'final',
        code: { coding: [{ system: 'urn:s', code: i < 3 ? 'x' : 'y' }], text: 'Some words' },
        subject: { reference: `Patient/p${i}` },
        component: [{ code: { coding: [{ code: 'c' }] }, valueQuantity: { value: i } }],
      });
    }
  });

  it.each([
    ['Patient?family=sello', 5],
    ['Observation?code=urn:s|x&_sort=-_lastUpdated', 3],
    ['Observation?patient.family=sello&code:not=x&_total=accurate', 2],
    ['Observation?component-code-value-quantity=c$gt3&code:text=some', 1],
    ['Observation?_content="some words" -y&_count=2', 2],
    ['Patient?_has:Observation:patient:code=y', 2],
    ['?_type=Patient,Observation&_content=some', 5],
    ['Patient/p1/Observation?code=x', 1],
  ] as const)('tells how %s is answered', async (url, count) => {
    const parameters = parametersOf(await get(`${url}&_explain=true`));
    expect(named(parameters, 'plan')[0]?.valueString).toMatch(/^of (Patient|Observation)/);
    expect(named(parameters, 'found')[0]?.valueInteger).toBe(count);
    const steps = named(parameters, 'step').map(step => step.part!);
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) {
      expect(named(step, 'asked')[0]?.valueString).toMatch(/^SELECT |^\{"(aggregate|find)":/);
      expect(named(step, 'returned')[0]?.valueInteger).toBeGreaterThanOrEqual(0);
    }
    if (named(parameters, 'store')[0]?.valueString === 'sqlite') {
      expect(steps.every(step => named(step, 'plan').length > 0)).toBe(true);
      expect(steps.some(step => named(step, 'index').length > 0)).toBe(true);
      expect(steps.reduce((sum, step) => sum + named(step, 'examined')[0]!.valueInteger!, 0)).toBeGreaterThan(
        0,
      );
    }
  });

  it('puts the criteria into words', async () => {
    const [plan] = parametersOf(await get('Observation?code=urn:s|x&patient.family=sel&_explain=true'));
    expect(plan?.valueString).toBe(
      [
        'of Observation',
        'all of',
        '  a token row of code with system = "urn:s" and code = "x"',
        '  subject leads to Patient with',
        '    a string row of family with value beginning with "sel"',
        'in order of creation; at most 20; total: none',
      ].join('\n'),
    );
  });

  it('is for those who may see everything', async () => {
    const grants: Grant[] = [
      { ...OPEN, visible: type => (type === 'Basic' ? none : OPEN.visible(type)) },
      { ...OPEN, permits: permission => permission === 'search' || permission === 'read' },
    ];
    for (const grant of grants) {
      const answer = await tsela().as(grant)('GET', 'Patient?family=sello&_explain=true');
      expect(answer.status, answer.text).toBe(403);
    }
    expect((await get('Patient?_explain=maybe')).status).toBe(400);
    expect((await get('Patient?family=sello&_explain=false')).body).toMatchObject({ resourceType: 'Bundle' });
  });
});

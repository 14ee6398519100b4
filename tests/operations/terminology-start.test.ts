// The first request of a process may need definitions that nobody has read yet, whatever kind of request it is.
import { expect, it } from 'vitest';
import { openTsela, type Send } from '../system.js';

const valueSet = 'http://terminology.hl7.org/ValueSet/v3-ActEncounterCode';
const observation = { resourceType: 'Observation', status: 'final', code: { text: 'x' } };
const criteria = `code:in=${valueSet}`;
const entry = (request: object) => ({ resource: observation, request });
const bundle = (type: string, request: object) => ({ resourceType: 'Bundle', type, entry: [entry(request)] });

const first: Readonly<Record<string, (send: Send) => ReturnType<Send>>> = {
  'a search': send => send('GET', `Observation?${criteria}`),
  'a conditional create': send => send('POST', 'Observation', observation, { 'if-none-exist': criteria }),
  'a conditional update, with a key': send =>
    send('PUT', `Observation?${criteria}`, observation, { 'idempotency-key': 'first' }),
  'a transaction': send =>
    send('POST', '', bundle('transaction', { method: 'POST', url: 'Observation', ifNoneExist: criteria }), { 'idempotency-key': 'first' }), // prettier-ignore
  'a batch': send => send('POST', '', bundle('batch', { method: 'POST', url: 'Observation', ifNoneExist: criteria })), // prettier-ignore
  'a statement': send => send('GET', 'metadata?mode=terminology'),
  'a validation': send => send('POST', 'Observation/$validate', observation),
};

it.each(Object.entries(first))('%s', async (_, ask) => {
  const tsela = await openTsela('SQLite');
  try {
    const answer = await ask(tsela.send);
    expect([200, 201], answer.text).toContain(answer.status);
    const [inner] = (answer.body['entry'] ?? []) as { response?: { status: string } }[];
    if (inner?.response !== undefined) expect(inner.response.status).toMatch(/^201/);
  } finally {
    await tsela.close();
  }
});

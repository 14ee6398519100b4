// A second Tsela as the terminology server of the first, on the loopback: asked for what the first does not know.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPEN } from '../../src/auth/grant.js';
import { serve, type Served } from '../http/serve.js';
import { openTsela, type Tsela } from '../system.js';
import { animals, asking, codesOf, mammals, of, set, system } from './animals.js';

describe('a remote terminology server', () => {
  let other: Tsela;
  let served: Served;
  let own: Tsela;
  beforeAll(async () => {
    other = await openTsela('SQLite');
    served = await serve(request => other.system.dispatch(request, OPEN));
    for (const resource of [animals('1.0'), mammals]) await asking(() => other).put(resource);
    // The other reads its definitions when it is first asked.
    own = await openTsela('SQLite', { terminologyServer: `${served.fhir}/`, terminologyTimeLimit: 120_000 });
  });
  afterAll(async () => {
    await own?.close();
    await served?.close();
    await other?.close();
  });
  const { get, post } = asking(() => own);

  it('looks up, judges and expands what is not known here', async () => {
    expect(of(await get(`CodeSystem/$lookup?system=${system}&code=dog`), 'display')).toBe('Dog');
    expect(of(await get(`CodeSystem/$validate-code?url=${system}&code=dog`), 'result')).toBe(true);
    expect(of(await get(`CodeSystem/$validate-code?url=${system}&code=unicorn`), 'result')).toBe(false);
    expect(of(await get(`ValueSet/$validate-code?url=${mammals.url}&system=${system}&code=bird`), 'result')).toBe(false); // prettier-ignore
    expect(codesOf(await get(`ValueSet/$expand?url=${mammals.url}&filter=dog`))).toEqual(['dog']);
    const given = set('given', {
      include: [{ system, filter: [{ property: 'legs', op: '=', value: '2' }] }],
    });
    expect(codesOf(await post('ValueSet/$expand', { valueSet: given }))).toEqual(['bird']);
    expect(of(await post('ValueSet/$validate-code', { valueSet: given, coding: { system, code: 'bird' } }), 'result')).toBe(true); // prettier-ignore
    await own.send('PUT', 'ValueSet/given', given);
    expect(codesOf(await get('ValueSet/given/$expand'))).toEqual(['bird']);
  });
  it('is not asked for what is known here', async () => {
    const url = 'http://hl7.org/fhir/administrative-gender';
    expect((await get(`CodeSystem/$lookup?system=${url}&code=none`)).status).toBe(404);
  });
  it('leaves unknown what it does not know either', async () => {
    expect((await get('CodeSystem/$lookup?system=urn:none&code=a')).status).toBe(404);
    expect((await get('ValueSet/$expand?url=urn:none')).status).toBe(404);
    const judged = await get('CodeSystem/$validate-code?url=urn:none&code=a');
    expect([of(judged, 'result'), of(judged, 'message')]).toEqual([false, expect.stringContaining('not known here')]); // prettier-ignore
  });
});

describe('a remote terminology server in trouble', () => {
  it.each([
    ['is silent', undefined],
    ['fails', 500],
    ['answers something else', 200],
  ])('that %s leaves codes unknown, in time', async (_, status) => {
    const sockets = createServer((_request, response) => {
      if (status !== undefined) response.writeHead(status).end('{"resourceType":"Patient"}');
    });
    await new Promise<void>(resolve => sockets.listen(0, '127.0.0.1', resolve));
    const { port } = sockets.address() as AddressInfo;
    const tsela = await openTsela('SQLite', {
      terminologyServer: `http://127.0.0.1:${port}/fhir`,
      terminologyTimeLimit: 200,
    });
    try {
      const { get } = asking(() => tsela);
      for (let i = 0; i < 3; i++) {
        const judged = await get(`CodeSystem/$validate-code?url=${system}&code=dog`);
        expect(of(judged, 'message')).toMatch(/cannot be known/);
        expect((await get(`CodeSystem/$lookup?system=${system}&code=dog`)).status).toBe(404);
      }
    } finally {
      await tsela.close();
      sockets.closeAllConnections();
      sockets.close();
    }
  });
});

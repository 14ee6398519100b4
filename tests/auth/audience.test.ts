// Each facility's FHIR base is an audience of its own: a token for one is nothing at another.
import { expect, it } from 'vitest';
import { putFacility } from '../../src/facilities/facility.js';
import { openDocuments } from '../../src/system.js';
import { json, onEveryServer, signedIn, tokenRequest } from './smart-server.js';

onEveryServer('a token', server => {
  it('for one FHIR base is refused at every other', async () => {
    const { config, origin, url } = server();
    const documents = await openDocuments(config);
    const facility = { id: 'quthing', name: 'Quthing', organizations: [], clients: [] };
    await putFacility(documents, facility, true).finally(() => documents.close());
    const base = `${origin}/facilities/quthing/fhir`;
    await expect
      .poll(async () => (await fetch(`${base}/metadata`)).status, { timeout: 30_000, interval: 200 })
      .toBe(200);

    const service = await server().app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'] });
    const tokenFor = async (more: Record<string, string>): Promise<string> => {
      const asked = { grant_type: 'client_credentials', scope: 'system/*.rs', ...more };
      return ((await json(await tokenRequest(server(), service, asked))) as { access_token: string })
        .access_token;
    };
    const statusAt = async (where: string, token: string): Promise<number> =>
      (await fetch(`${where}/Practitioner`, { headers: { authorization: `Bearer ${token}` } })).status;
    const [here, there] = [await tokenFor({}), await tokenFor({ resource: base })];
    expect([await statusAt(url, here), await statusAt(base, here)]).toEqual([200, 401]);
    expect([await statusAt(url, there), await statusAt(base, there)]).toEqual([401, 200]);

    const app = await server().app();
    const scope = 'openid fhirUser user/Practitioner.rs';
    const person = await signedIn(server(), app, { scope, params: { aud: base } });
    expect([await statusAt(url, person.access_token), await statusAt(base, person.access_token)]).toEqual([
      401, 200,
    ]);
  });
});

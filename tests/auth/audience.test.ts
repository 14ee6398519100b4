// Each facility's FHIR base is an audience of its own: a token for one is nothing at another.
import { expect, it } from 'vitest';
import { facilityAt, onEveryServer, serviceToken, signedIn } from './smart-server.js';

onEveryServer('a token', server => {
  it('for one FHIR base is refused at every other', async () => {
    const { url } = server();
    const base = await facilityAt(server(), 'quthing');
    const tokenFor = (fields: Record<string, string>): Promise<string> =>
      serviceToken(server(), 'system/*.rs', { fields });
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

// Launches over the network, standalone and from the EHR, by every kind of client, on every store.
import { expect, it } from 'vitest';
import { exchange, json, launch, onEveryServer, redirectUri } from './smart-server.js';

onEveryServer('a launch', server => {
  it('standalone gives a public app a token for the chosen patient', async () => {
    const app = await server().app();
    const launched = await launch(server(), app);
    expect(launched.back.href).toMatch(new RegExp(`^${redirectUri}\\?`));
    expect(launched.back.searchParams.get('state')).toBe('state-1');
    expect(launched.back.searchParams.get('iss')).toBe(`${server().origin}/auth`);
    const response = await exchange(server(), app, launched);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toContain('no-store');
    expect(response.headers.get('pragma')).toContain('no-cache');
    const body = await json(response);
    expect(body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'patient/*.rs launch/patient openid fhirUser offline_access',
      patient: 'mine',
      need_patient_banner: true,
      refresh_token: expect.any(String),
      id_token: expect.any(String),
    });
    expect((await server().fhir('Patient/mine', body.access_token)).status).toBe(200);
    expect((await server().fhir('Patient/other', body.access_token)).status).toBe(404);
    expect((await server().fhir('Observation/lab', body.access_token)).status).toBe(200);
    expect((await server().fhir('Observation/foreign', body.access_token)).status).toBe(404);
  });
});

// The server under test, as `tsela start --open` runs it: logs, metrics and guard on, every commit synced before its
// answer. Only the parent's messages are added.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { answering } from './children.mjs';

let running;
answering({
  async listen({ data, mongo, open, env }) {
    const { readConfig } = await import('../dist/config.js');
    const { start } = await import('../dist/main.js');
    const given = { port: '0', open: String(open), data, durability: 'full' };
    const environment =
      mongo === undefined ? {} : { MONGODB_URL: process.env.MONGODB_URL, TSELA_MONGODB_DATABASE: mongo };
    running = await start(readConfig(given, { ...env, ...environment }));
    return Number(new URL(running.origin).port);
  },
  /** Registers a backend service; with its address for tokens, and a token where it has a secret. */
  async client(kind, jwk) {
    const endpoint = `${running.origin}/auth/token`;
    const { client, secret } = await running.authorization.clients.add({
      name: 'bench',
      kind,
      redirectUris: [],
      scopes: ['system/*.cruds'],
      ...(kind === 'key' ? { jwks: { keys: [jwk] } } : {}),
    });
    if (secret === undefined) return { id: client.id, endpoint };
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client.id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'system/*.cruds' }),
    });
    return { id: client.id, secret, endpoint, token: (await response.json()).access_token };
  },
  /** A token of a patient, made the long way: an account, a trusted app, a launch. */
  async patientToken(patient) {
    const { accounts, clients } = running.authorization;
    const password = randomUUID();
    const person = { name: randomUUID(), password, fhirUser: `Patient/${patient}`, roles: ['patient'] };
    await accounts.add({ ...person, patients: [patient] });
    const redirect = 'https://app.example.org/';
    const scopes = ['launch/patient', 'patient/*.rs'];
    const app = { name: 'bench', kind: 'public', redirectUris: [redirect], scopes, trusted: true };
    const { client } = await clients.add(app);
    const verifier = randomBytes(32).toString('base64url');
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: client.id,
      redirect_uri: redirect,
      scope: scopes.join(' '),
      state: 's',
      aud: running.url,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    let url = `${running.origin}/auth/authorize?${query}`;
    const cookies = new Map();
    for (let hops = 0; hops < 10 && url.startsWith(running.origin); hops++) {
      const isForm = url.includes('/interaction/') && hops === 1;
      const response = await fetch(url, {
        redirect: 'manual',
        headers: { cookie: [...cookies.values()].join('; '), origin: running.origin },
        ...(isForm ? { method: 'POST', body: new URLSearchParams({ name: person.name, password }) } : {}),
      });
      for (const line of response.headers.getSetCookie()) cookies.set(line.split('=')[0], line.split(';')[0]);
      url = new URL(response.headers.get('location'), url).href;
    }
    const response = await fetch(`${running.origin}/auth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: new URL(url).searchParams.get('code'),
        redirect_uri: redirect,
        client_id: client.id,
        code_verifier: verifier,
      }),
    });
    return (await response.json()).access_token;
  },
  close: () => running.close(),
});

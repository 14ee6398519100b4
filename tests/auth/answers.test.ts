// What every kind of answer says to browsers and caches, and which pages of other origins may read it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rawExchange } from '../http/serve.js';
import { authorizeParams, openSmartServer, pkce, redirectUri, serviceToken, tokenRequest, type App, type SmartServer } from './smart-server.js'; // prettier-ignore

let server: SmartServer;
let app: App;
let token: string;
const page = new URL(redirectUri).origin;
const configured = 'https://dashboard.example.org';

beforeAll(async () => {
  server = await openSmartServer('SQLite', { corsOrigins: [configured] });
  app = await server.app();
  token = await serviceToken(server, 'system/*.rs');
});
afterAll(async () => server?.stop());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(server.origin + path, { method, headers, redirect: 'manual' });
const bearer = (): Record<string, string> => ({ authorization: `Bearer ${token}` });

describe('every answer', () => {
  const kinds: readonly [kind: string, status: number, ask: () => Promise<Response>][] = [
    ['a record', 200, () => get('/fhir/Patient/mine', bearer())],
    ['a search', 200, () => get('/fhir/Patient', bearer())],
    ['a record in XML', 200, () => get('/fhir/Patient/mine', { ...bearer(), accept: 'application/fhir+xml' })],
    ['what is not there', 404, () => get('/fhir/Patient/nobody', bearer())],
    ['a refusal without a token', 401, () => get('/fhir/Patient/mine')],
    ['a refusal of the grant', 403, () => get('/fhir/Patient/mine', bearer(), 'DELETE')],
    ['an unknown method', 405, () => get('/fhir/Patient/mine', bearer(), 'PROPFIND')],
    ['a bad URL', 400, () => get('/fhir/Patient/%00', bearer())],
    ['a long URL', 414, () => get(`/fhir/Patient?name=${'x'.repeat(17_000)}`, bearer())],
    ['the CapabilityStatement', 200, () => get('/fhir/metadata')],
    ['the SMART configuration', 200, () => get('/fhir/.well-known/smart-configuration')],
    ['the root', 200, () => get('/')],
    ['health', 200, () => get('/health/ready')],
    ['nothing', 404, () => get('/nothing')],
    ['nothing of the authorization server', 404, () => get('/auth/nothing')],
    ['metadata of the authorization server', 200, () => get('/.well-known/openid-configuration/auth')],
    ['a token refused', 400, () => tokenRequest(server, app, { grant_type: 'refresh_token', refresh_token: 'x' })],
    ['a page', 200, async () => {
      const query = authorizeParams(server, app, {}, pkce().challenge).toString();
      const begun = await get(`/auth/authorize?${query}`);
      const cookie = begun.headers.getSetCookie().map(each => each.split(';')[0]).join('; ');
      for (const line of begun.headers.getSetCookie()) expect(line).toMatch(/httponly.*samesite|samesite.*httponly/i);
      return get(new URL(begun.headers.get('location')!, server.origin).pathname, { cookie });
    }],
  ]; // prettier-ignore

  it.each(kinds)('is neither kept, nor guessed at, nor framed, nor embedded: %s', async (_, status, ask) => {
    const response = await ask();
    await response.arrayBuffer();
    const header = (name: string): string => response.headers.get(name) ?? '';
    expect(response.status).toBe(status);
    expect(header('cache-control')).toContain('no-store');
    expect(header('x-content-type-options')).toBe('nosniff');
    expect(header('content-security-policy')).toContain("default-src 'none'");
    expect(header('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(header('cross-origin-resource-policy')).toBe('same-origin');
    expect(header('referrer-policy')).toMatch(/^(no-referrer|same-origin)$/);
    expect(header('content-type')).toMatch(/charset=utf-8|^application\/json/i);
    for (const leaks of ['server', 'x-powered-by']) expect([leaks, header(leaks)]).toEqual([leaks, '']);
    expect(header('strict-transport-security')).toBe(''); // it is http here: RFC 6797 section 7.2
  });

  it('names the host it is for, or there is none', async () => {
    const port = Number(new URL(server.origin).port);
    const ask = (path: string, host: string): Promise<string> =>
      rawExchange(port, `GET ${path} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
    for (const path of [
      '/fhir/metadata',
      '/fhir/Patient/mine',
      '/',
      '/auth/authorize',
      '/nothing',
      '/.well-known/openid-configuration/auth',
    ])
      // prettier-ignore
      for (const host of ['Host: evil.example\r\n', `Host: evil.example:${port}\r\n`, `Host: 127.0.0.1:${port}@evil.example\r\n`, 'Host: \r\n'])
        expect([path, host, (await ask(path, host)).slice(0, 12)]).toEqual([path, host, 'HTTP/1.1 421']);
    expect(await ask('/health/live', 'Host: 10.0.0.7\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask('http://evil.example/fhir/metadata', `Host: 127.0.0.1:${port}\r\n`)).not.toMatch(
      /^HTTP\/1\.1 200/,
    );
  });
});

describe('CORS', () => {
  const allowed = async (
    origin: string,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<string | null> => {
    const response = await get(path, { origin, ...headers });
    await response.arrayBuffer();
    expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    return response.headers.get('access-control-allow-origin');
  };

  it('lets pages of registered apps call with a token, configured pages in any case, and others not at all', async () => {
    const path = '/fhir/Patient/mine';
    expect(await allowed(page, path, bearer())).toBe(page);
    expect(await allowed(page, path)).toBeNull();
    expect(await allowed(configured, path)).toBe(configured);
    for (const origin of [
      'https://evil.example',
      'null',
      `${page}.evil.example`,
      page.replace('https', 'http'),
      `${page}:444`,
      '',
    ])
      expect([origin, await allowed(origin, path, bearer())]).toEqual([origin, null]);
  });

  it('lets every page read what is public, on failures too, and nothing beside FHIR', async () => {
    for (const path of ['/fhir/metadata', '/fhir/.well-known/smart-configuration'])
      expect(await allowed('https://any.example', path)).toBe('*');
    expect(await allowed(page, '/fhir/Patient/nobody', bearer())).toBe(page);
    expect(await allowed(configured, '/fhir/Patient/mine', { authorization: 'Bearer wrong' })).toBe(
      configured,
    );
    for (const path of ['/', '/health/ready', '/metrics', '/auth/manage'])
      expect([path, await allowed(configured, path)]).toEqual([path, null]);
  });

  it('answers a preflight without a token, and not more than is allowed', async () => {
    const preflight = async (origin: string, path = '/fhir/Patient/mine'): Promise<Response> =>
      get(
        path,
        { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization' },
        'OPTIONS',
      );
    for (const origin of [page, configured]) {
      const { status, headers } = await preflight(origin);
      expect([status, headers.get('access-control-allow-origin')]).toEqual([204, origin]);
      expect(headers.get('access-control-allow-headers')).toContain('Authorization');
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      expect(headers.get('vary')).toContain('Origin');
    }
    for (const origin of ['https://evil.example', 'null']) {
      const { status, headers } = await preflight(origin);
      expect([status === 204, headers.get('access-control-allow-origin')]).toEqual([false, null]);
    }
  });
});

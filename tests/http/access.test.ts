// Who may call: open mode answers only localhost, and other origins only where they are configured.
import { describe, expect, it } from 'vitest';
import { rawExchange, serve, type Served } from './serve.js';

const ask = (server: Served, path: string, headers: string): Promise<string> =>
  rawExchange(server.port, `GET ${path} HTTP/1.1\r\n${headers}Connection: close\r\n\r\n`);

describe('open mode', () => {
  it('answers only to localhost', async () => {
    const server = await serve(undefined, { open: true });
    for (const host of [
      'localhost',
      `localhost:${server.port}`,
      '127.0.0.1:8080',
      '[::1]:8080',
      'LOCALHOST',
    ]) {
      expect(await ask(server, '/fhir/Basic/1', `Host: ${host}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
    }
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'localhost:8080@evil.example',
      '10.0.0.1',
      '',
    ]) {
      for (const path of ['/fhir/Basic/1', '/metrics', '/']) {
        expect(await ask(server, path, `Host: ${host}\r\n`)).toMatch(/^HTTP\/1\.1 403 .*OperationOutcome/s);
      }
      expect(await ask(server, '/health/live', `Host: ${host}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
    }
    expect(server.requests.length).toBe(5);
    await server.close();
  });

  it('answers no page of another origin, and offers none', async () => {
    const server = await serve(undefined, { open: true });
    for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example']) {
      expect(await ask(server, '/fhir/Basic/1', `Host: localhost\r\nOrigin: ${origin}\r\n`)).toMatch(
        /^HTTP\/1\.1 403 /,
      );
    }
    const local = await ask(server, '/fhir/Basic/1', 'Host: localhost\r\nOrigin: http://localhost:3000\r\n');
    expect(local).toMatch(/^HTTP\/1\.1 200 /);
    expect(local.toLowerCase()).not.toContain('access-control');
    await server.close();
  });
});

describe('CORS', () => {
  it('is for the origins configured', async () => {
    const server = await serve(undefined, { corsOrigins: ['https://app.example.org'] });
    const allowed = await fetch(`${server.fhir}/Basic/1`, { headers: { origin: 'https://app.example.org' } });
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.org');
    expect(allowed.headers.get('access-control-expose-headers')).toContain('ETag');
    expect(allowed.headers.get('access-control-allow-credentials')).toBeNull();
    expect(allowed.headers.get('vary')).toContain('Origin');
    const other = await fetch(`${server.fhir}/Basic/1`, { headers: { origin: 'https://evil.example' } });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
    await server.close();
  });

  it('answers a preflight without asking anybody', async () => {
    const server = await serve(undefined, { corsOrigins: ['https://app.example.org'] });
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${server.fhir}/Basic/1`, {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'PUT',
          'access-control-request-headers': 'if-match',
        },
      });
    const allowed = await preflight('https://app.example.org');
    expect(allowed.status).toBe(204);
    expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.org');
    expect(allowed.headers.get('access-control-allow-methods')).toContain('PUT');
    expect(allowed.headers.get('access-control-allow-headers')).toContain('If-Match');
    expect(server.requests.length).toBe(0);
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
    await server.close();
  });

  it('can be for all', async () => {
    const server = await serve(undefined, { corsOrigins: ['*'] });
    const response = await fetch(`${server.fhir}/Basic/1`, { headers: { origin: 'https://any.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    await server.close();
  });
});

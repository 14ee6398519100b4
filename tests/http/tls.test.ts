// https by the server itself: which versions it speaks, HSTS, and a certificate that is renewed while it runs.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/audit/log.js';
import { checkServing, defaultConfig } from '../../src/config.js';
import { readTls, watchTls } from '../../src/http/tls.js';
import { begin } from '../cli/cli.js';
import { hasOpenssl } from '../openssl.js';
import { rawExchange, rawSocket, serve, type Served } from './serve.js';

describe.skipIf(!hasOpenssl)('TLS (needs the command openssl)', () => {
  let folder: string;
  let files: { tlsCert: string; tlsKey: string };
  let server: Served;
  const at = (name: string): string => join(folder, name);

  /** A certificate for this machine, signed by itself. */
  const make = (name: string): void => {
    execFileSync(
      'openssl',
      // prettier-ignore
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)],
      { stdio: 'ignore' },
    );
  };
  const use = (name: string): void => {
    copyFileSync(at(`${name}.crt`), files.tlsCert);
    copyFileSync(at(`${name}.key`), files.tlsKey);
  };
  /** What is negotiated, and whose certificate is shown. */
  const handshake = (options: ConnectionOptions = {}): Promise<{ protocol: string | null; name: string }> =>
    new Promise((resolve, reject) => {
      const all = { port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ...options };
      const socket: TLSSocket = connect(all, () => {
        const protocol = socket.getProtocol();
        const name = String(socket.getPeerCertificate().subject.CN);
        socket.end(() => resolve({ protocol, name }));
      });
      socket.once('error', reject);
    });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tsela-tls-'));
    files = { tlsCert: at('used.crt'), tlsKey: at('used.key') };
    make('first');
    make('second');
    use('first');
    server = await serve(undefined, files);
  });
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers by https with a certificate that a client can verify, and asks for it from then on', async () => {
    expect(server.url).toMatch(/^https:/);
    for (const path of ['/fhir/Basic/1', '/', '/health/live', '/nowhere']) {
      const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
        const ca = readFileSync(files.tlsCert);
        const sent = request({ host: '127.0.0.1', port: server.port, path, ca, agent: false }, response => {
          response.resume().once('end', () => resolve({ ...response.headers, status: response.statusCode }));
        });
        sent.once('error', reject).end();
      });
      expect(headers['status']).toBe(path === '/nowhere' ? 404 : 200);
      expect(headers['strict-transport-security']).toBe('max-age=31536000');
    }
  });

  it('speaks TLS 1.2 and 1.3, and nothing older', async () => {
    expect((await handshake({ maxVersion: 'TLSv1.2' })).protocol).toBe('TLSv1.2');
    expect((await handshake({ minVersion: 'TLSv1.3' })).protocol).toBe('TLSv1.3');
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      // A client that would speak it: what refuses is the server.
      const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
      await expect(handshake(old)).rejects.toThrow(/alert protocol version/);
    }
  });

  it('has no cipher without forward secrecy or without authentication of what is sent', async () => {
    for (const cipher of ['AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-SHA256'])
      await expect(handshake({ maxVersion: 'TLSv1.2', ciphers: cipher })).rejects.toThrow(
        /handshake failure/,
      );
  });

  it('closes a connection that does not speak TLS', async () => {
    const answer = await rawExchange(server.port, 'GET /fhir HTTP/1.1\r\nHost: localhost\r\n\r\n').catch(
      () => '',
    );
    expect(answer).not.toContain('HTTP/1.1 200');
    expect((await handshake()).name).toBe('first');
  });

  it('shows a new certificate after a reload, and keeps the old one where the new one cannot be used', async () => {
    use('second');
    server.reload();
    expect((await handshake()).name).toBe('second');
    /** What a reload says: of the same files the server may have said it already, when it looked by itself. */
    const saidBy = (change: () => void): string[] => {
      change();
      const before = server.lines.length;
      server.reload();
      return server.lines.slice(before).map(({ level }) => level);
    };
    expect(saidBy(() => writeFileSync(files.tlsCert, 'not a certificate'))).toEqual(['error']);
    expect((await handshake()).name).toBe('second');
    expect(saidBy(() => copyFileSync(at('first.crt'), files.tlsCert))).toEqual(['error']); // of another key
    expect((await handshake()).name).toBe('second');
    use('first');
    server.reload();
    expect((await handshake()).name).toBe('first');
  });

  it('finds out by itself that the files have changed', async () => {
    const own = { cert: at('own.crt'), key: at('own.key') };
    const put = (name: string): void => {
      copyFileSync(at(`${name}.crt`), own.cert);
      copyFileSync(at(`${name}.key`), own.key);
    };
    put('first');
    const listener = createServer(readTls(own));
    await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as AddressInfo;
    const watch = watchTls(listener, own, silentLog, 20);
    put('second');
    await expect.poll(async () => (await handshake({ port })).name).toBe('second');
    watch.stop();
    await new Promise(resolve => listener.close(resolve));
  });

  it('reads the files again on SIGHUP, as a process, and goes on', async () => {
    const env = { TSELA_TLS_CERT: files.tlsCert, TSELA_TLS_KEY: files.tlsKey };
    const running = begin(['start', '--port', '0', '--data', at('data')], { env });
    const port = Number(/https:\/\/127\.0\.0\.1:(\d+)\/health/.exec(await running.says('/health/ready'))![1]);
    expect((await handshake({ port })).name).toBe('first');
    use('second');
    running.process.kill('SIGHUP');
    await expect.poll(async () => (await handshake({ port })).name).toBe('second');
    running.process.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
    use('first');
  });

  it('stops while somebody has connected and says nothing', async () => {
    const short = await serve(undefined, files);
    const quiet = await rawSocket(short.port);
    const closed = new Promise(resolve => quiet.once('close', resolve));
    await short.close();
    await closed;
  });

  it('says at start what is wrong with the files', async () => {
    await expect(serve(undefined, { ...files, tlsKey: at('absent') })).rejects.toThrow(
      /TSELA_TLS_KEY.*ENOENT/,
    );
    await expect(serve(undefined, { ...files, tlsKey: at('second.key') })).rejects.toThrow(
      /cannot be used together/,
    );
  });
});

it('needs a certificate and a key, and an address that is https', () => {
  const check = (changes: object) => () => checkServing({ ...defaultConfig, ...changes });
  expect(check({ tlsCert: 'a' })).toThrow(/TSELA_TLS_KEY/);
  expect(check({ tlsKey: 'a' })).toThrow(/TSELA_TLS_CERT/);
  expect(check({ tlsCert: 'a', tlsKey: 'b', baseUrl: 'http://fhir.example.org' })).toThrow(/TSELA_BASE_URL/);
  expect(check({ tlsCert: 'a', tlsKey: 'b', baseUrl: 'https://fhir.example.org' })).not.toThrow();
});

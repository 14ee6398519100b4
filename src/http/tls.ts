// https by this server itself: the certificate and its key from files, read again when they change or when told to, so
// that a renewed certificate needs no stop. TLS 1.2 and 1.3 with forward secrecy and authenticated encryption alone.
// https://www.rfc-editor.org/rfc/rfc9325
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Log } from '../audit/log.js';

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** What the files hold now. @throws Error that names the setting, where they cannot be read or do not belong together */
export function readTls({ cert, key }: TlsFiles): SecureContextOptions {
  const made = {
    cert: read(cert, 'TSELA_TLS_CERT'),
    key: read(key, 'TSELA_TLS_KEY'),
    minVersion: 'TLSv1.2' as const,
    ciphers,
  };
  try {
    createSecureContext(made);
  } catch (cause) {
    // OpenSSL's reason names no content of the files.
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(
      `TSELA_TLS_CERT and TSELA_TLS_KEY cannot be used together (${code ?? 'not PEM'}): expected PEM files of a certificate with its chain, and of its key without a password`,
      { cause },
    );
  }
  return made;
}

function read(path: string, setting: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`${setting}: the file cannot be read (${code ?? 'unknown reason'})`, { cause });
  }
}

export interface TlsWatch {
  /** Reads the files now. What was there goes on being used where they cannot be. */
  reload(): void;
  stop(): void;
}

/**
 * Begins at once: what changes after this call is found.
 * @param every ms between two looks at the files; by polling, since renewals replace files and links to them
 */
export function watchTls(server: Server, files: TlsFiles, log: Log, every = 10_000): TlsWatch {
  let known = contentOf(files);
  const reload = (): void => {
    known = contentOf(files);
    try {
      server.setSecureContext(readTls(files));
      log.info({}, 'the TLS certificate was read again');
    } catch (error) {
      log.error({ err: error }, 'the TLS certificate could not be read again; the one before stays in use');
    }
  };
  const timer = setInterval(() => {
    if (contentOf(files) !== known) reload();
  }, every);
  timer.unref();
  return { reload, stop: () => clearInterval(timer) };
}

/** What tells one state of the files from another. */
function contentOf({ cert, key }: TlsFiles): string {
  const digest = createHash('sha256');
  for (const path of [cert, key]) {
    try {
      digest.update(readFileSync(path));
    } catch (error) {
      digest.update(String((error as NodeJS.ErrnoException).code));
    }
  }
  return digest.digest('base64url');
}

// Reads and decompresses a request body within its limit. A body too large is refused before it is read where its
// length is known; the limit holds again after decompression, so that a small file cannot become a large one.
// https://www.rfc-editor.org/rfc/rfc9110#section-8.4
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';
import { FhirError } from '../errors.js';

type Decompress = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;
const ungzip: Decompress = promisify(gunzip);
const unzlib: Decompress = promisify(inflate);
const unraw: Decompress = promisify(inflateRaw);
const unbrotli: Decompress = promisify(brotliDecompress);

const codings: ReadonlyMap<string, Decompress> = new Map([
  ['gzip', ungzip],
  ['x-gzip', ungzip],
  ['br', unbrotli],
  // "deflate" is zlib's format, but some clients send it without the two bytes that open it.
  [
    'deflate',
    (bytes, options) => ((bytes[0] ?? 0) % 16 === 8 ? unzlib(bytes, options) : unraw(bytes, options)),
  ],
]);

/**
 * The body, decompressed; undefined where the request has none.
 * @param limit in bytes, before and after decompression
 * @throws FhirError `too-large`, `unsupported-media-type`, or `value` for a body that breaks off or does not decompress
 */
export async function readBody(
  req: IncomingMessage,
  res: ServerResponse,
  limit: number,
): Promise<Uint8Array | undefined> {
  const {
    'content-length': length,
    'transfer-encoding': chunked,
    'content-encoding': encoding,
  } = req.headers;
  if (length === undefined && chunked === undefined) return undefined;
  if (Number(length) === 0) return undefined;
  if (length !== undefined && Number(length) > limit) throw tooLarge(limit);
  const decompress = decompressionOf(encoding);
  if (req.headers.expect !== undefined) res.writeContinue();
  const bytes = await collect(req, limit, Number(length ?? 0));
  if (bytes.length === 0) return undefined;
  if (decompress === undefined) return bytes;
  try {
    return await decompress(bytes, { maxOutputLength: limit });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit);
    throw new FhirError('value', `The body is not valid ${encoding}, as its Content-Encoding says.`, {
      cause,
    });
  }
}

function decompressionOf(encoding: string | undefined): Decompress | undefined {
  const coding = encoding?.trim().toLowerCase();
  if (coding === undefined || coding === '' || coding === 'identity') return undefined;
  const decompress = codings.get(coding);
  if (decompress !== undefined) return decompress;
  throw new FhirError(
    'unsupported-media-type',
    `A body in Content-Encoding "${coding}" is not read: send gzip, br, deflate or none.`,
    {
      headers: { 'accept-encoding': 'gzip, br, deflate' },
    },
  );
}

/** Bodies of such a length are put together as they come: to copy megabytes at their end would keep others waiting. */
const isLong = (length: number): boolean => length > 256 * 1024 && length <= 16 * 1024 ** 2;

/** So much of a body is taken in at once: a fast sender would have its megabytes read before anybody else's turn. */
const turnBytes = 256 * 1024;

/** @param length as it was announced; 0 where it was not */
function collect(req: IncomingMessage, limit: number, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    // Memory that is not written to is none yet, whatever somebody announces.
    const whole = isLong(length) ? Buffer.allocUnsafeSlow(length) : undefined;
    let size = 0;
    let turnEnds = turnBytes;
    const data = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > turnEnds) {
        turnEnds = size + turnBytes;
        req.pause();
        setImmediate(() => req.resume());
      }
      if (size <= limit) {
        if (whole === undefined) chunks.push(chunk);
        else chunk.copy(whole, size - chunk.length);
      } else {
        // The rest is read and thrown away: a client that is still sending would never see the answer otherwise.
        done();
        req.resume();
        reject(tooLarge(limit));
      }
    };
    const end = (): void => {
      done();
      if (whole !== undefined) resolve(whole.subarray(0, size));
      else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size));
    };
    const broken = (): void => {
      done();
      reject(new FhirError('value', 'The connection closed before the body was complete.'));
    };
    const done = (): void => {
      req.off('data', data).off('end', end).off('close', broken);
    };
    req
      .on('data', data)
      .on('end', end)
      .on('close', broken)
      .on('error', () => {});
  });
}

const tooLarge = (limit: number): FhirError =>
  new FhirError(
    'too-large',
    `The body is larger than ${limit} bytes: split it, or ask for a higher limit (TSELA_BODY_LIMIT).`,
  );

// A file encrypted with a key of its own: AES-256-GCM in numbered pieces of which the last says that it is, so that none can
// be changed, moved, or cut off unnoticed, and no piece is given out before it was judged.
// https://eprint.iacr.org/2015/189 (the STREAM construction), https://www.rfc-editor.org/rfc/rfc5869
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { Problem } from './problem.js';

/** The first bytes of the file. */
const mark = Buffer.from('tsela backup 1\n');
const saltLength = 32;
const pieceLength = 1 << 20;
const tagLength = 16;
const cipherName = 'aes-256-gcm';

const keyOf = (secret: Uint8Array, salt: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', secret, salt, 'tsela backup', 32));

/** Never the same twice under a key, which is new for each file. */
function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt8(isLast ? 1 : 0, 0);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

/** @param secret of high entropy, such as 32 random bytes in base64 */
export async function* encrypted(content: AsyncIterable<Buffer>, secret: Uint8Array): AsyncGenerator<Buffer> {
  const salt = randomBytes(saltLength);
  const key = keyOf(secret, salt);
  yield Buffer.concat([mark, salt]);
  for await (const { piece, number, isLast } of pieces(content, pieceLength)) {
    const cipher = createCipheriv(cipherName, key, nonceOf(number, isLast));
    yield Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]);
  }
}

/**
 * What is given out was judged; that nothing was cut off is known at the end.
 * @throws Problem where the key is another, or the file is not as it was written
 */
export async function* decrypted(from: string, secret: Uint8Array): AsyncGenerator<Buffer> {
  const head = await headOf(from);
  const key = keyOf(secret, head.subarray(mark.length));
  const length = pieceLength + tagLength;
  const content = createReadStream(from, { start: head.length, highWaterMark: length });
  for await (const { piece, number, isLast } of pieces(content as AsyncIterable<Buffer>, length)) {
    const at = Math.max(0, piece.length - tagLength);
    let plain: Buffer;
    try {
      const decipher = createDecipheriv(cipherName, key, nonceOf(number, isLast), {
        authTagLength: tagLength,
      });
      decipher.setAuthTag(piece.subarray(at));
      plain = Buffer.concat([decipher.update(piece.subarray(0, at)), decipher.final()]);
    } catch (cause) {
      throw new Problem(
        `${from} cannot be decrypted: it was encrypted with another key, or it was damaged or cut off.`,
        'Give the key file it was made with.',
        { cause },
      );
    }
    yield plain;
  }
}

export async function isEncrypted(path: string): Promise<boolean> {
  return (await firstBytes(path, mark.length)).equals(mark);
}

async function headOf(path: string): Promise<Buffer> {
  const head = await firstBytes(path, mark.length + saltLength);
  if (head.length < mark.length + saltLength || !head.subarray(0, mark.length).equals(mark))
    throw new Problem(`${path} is not an encrypted backup of Tsela.`);
  return head;
}

async function firstBytes(path: string, length: number): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A piece is known to be the last when nothing follows; of an empty file it is empty. */
async function* pieces(
  content: AsyncIterable<Buffer>,
  length: number,
): AsyncGenerator<{ piece: Buffer; number: number; isLast: boolean }> {
  let kept = Buffer.alloc(0);
  let number = 0;
  for await (const chunk of content) {
    kept = Buffer.concat([kept, chunk]);
    for (; kept.length > length; kept = kept.subarray(length))
      yield { piece: kept.subarray(0, length), number: number++, isLast: false };
  }
  yield { piece: kept, number, isLast: true };
}

/** The file is there when it is whole and on disk, and is its owner's alone. */
export async function writeWhole(path: string, content: AsyncIterable<Buffer>): Promise<void> {
  const part = `${path}.part`;
  await rm(part, { force: true });
  const file = await open(part, 'wx', 0o600);
  try {
    for await (const bytes of content) await file.writeFile(bytes);
    await file.sync();
    await file.close();
    await rename(part, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}

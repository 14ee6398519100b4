// A file encrypted with a key of its own: AES-256-GCM in numbered pieces of which the last says that it is, so that none can
// be changed, moved, or cut off unnoticed, and no piece is given out before it was judged.
// https://eprint.iacr.org/2015/189 (the STREAM construction), https://www.rfc-editor.org/rfc/rfc5869
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
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
export async function encryptFile(from: string, to: string, secret: Uint8Array): Promise<void> {
  const salt = randomBytes(saltLength);
  const key = keyOf(secret, salt);
  await write(to, async file => {
    await file.write(Buffer.concat([mark, salt]));
    await eachPiece(from, 0, pieceLength, async (piece, number, isLast) => {
      const cipher = createCipheriv(cipherName, key, nonceOf(number, isLast));
      await file.write(Buffer.concat([cipher.update(piece), cipher.final(), cipher.getAuthTag()]));
    });
  });
}

/** @throws Problem where the key is another, or the file is not as it was written; nothing is left at `to` then */
export async function decryptFile(from: string, to: string, secret: Uint8Array): Promise<void> {
  const head = await headOf(from);
  const key = keyOf(secret, head.subarray(mark.length));
  await write(to, async file => {
    await eachPiece(from, head.length, pieceLength + tagLength, async (piece, number, isLast) => {
      const at = Math.max(0, piece.length - tagLength);
      try {
        const decipher = createDecipheriv(cipherName, key, nonceOf(number, isLast), {
          authTagLength: tagLength,
        });
        decipher.setAuthTag(piece.subarray(at));
        await file.write(Buffer.concat([decipher.update(piece.subarray(0, at)), decipher.final()]));
      } catch (cause) {
        throw new Problem(
          `${from} cannot be decrypted: it was encrypted with another key, or it was damaged or cut off.`,
          'Give the key file it was made with.',
          { cause },
        );
      }
    });
  });
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
async function eachPiece(
  path: string,
  start: number,
  length: number,
  use: (piece: Buffer, number: number, isLast: boolean) => Promise<void>,
): Promise<void> {
  let kept = Buffer.alloc(0);
  let number = 0;
  for await (const chunk of createReadStream(path, { start, highWaterMark: length })) {
    kept = Buffer.concat([kept, chunk as Buffer]);
    for (; kept.length > length; kept = kept.subarray(length))
      await use(kept.subarray(0, length), number++, false);
  }
  await use(kept, number, true);
}

/** The file is there when it is whole and on disk. */
async function write(path: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  const part = `${path}.part`;
  await rm(part, { force: true });
  const file = await open(part, 'wx', 0o600);
  try {
    await fill(file);
    await file.sync();
    await file.close();
    await rename(part, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(part, { force: true });
    throw error;
  }
}

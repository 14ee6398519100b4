// Where the packages of implementation guides are kept: among the documents, in pieces any store takes.
// docs/decisions/0050-packages-as-documents.md
import type { Documents } from '../storage/documents.js';
import { installedPackages, type Installed, type KeptPackage } from '../validation/installed.js';

/** Of the head of each package; its content stands in pieces beside it, under `name#version/number`. */
const heads = 'packages';
const pieces = 'package-pieces';
/** Bytes of one document: far below what any store takes. */
const pieceSize = 1024 * 1024;

interface Head extends Omit<KeptPackage, 'content'> {
  readonly pieces: number;
}

const nameOf = ({ name, version }: Pick<KeptPackage, 'name' | 'version'>): string => `${name}#${version}`;
const pieceName = (of: string, number: number): string => `${of}/${String(number).padStart(6, '0')}`;

/** The packages the documents hold. */
async function load(documents: Documents): Promise<Installed> {
  const installed = installedPackages();
  for (let after: string | undefined; ;) {
    const found = await documents.list(heads, { limit: 20, ...(after === undefined ? {} : { after }) });
    for (const { key, value } of found) {
      const { pieces: count, ...head } = value as Head;
      const parts: Buffer[] = [];
      for (let i = 0; i < count; i++) {
        const piece = await documents.get(pieces, pieceName(key, i));
        parts.push(Buffer.from(piece?.value as string, 'base64'));
      }
      installed.add({ ...head, content: Buffer.concat(parts) });
      after = key;
    }
    if (found.length < 20) return installed;
  }
}

/** Keeps a package; the head is written last, so that one half kept is none. */
async function keep(documents: Documents, kept: KeptPackage): Promise<void> {
  const { content, ...head } = kept;
  const name = nameOf(kept);
  const count = Math.ceil(content.length / pieceSize);
  for (let i = 0; i < count; i++) {
    const part = Buffer.from(content.subarray(i * pieceSize, (i + 1) * pieceSize));
    await documents.put(pieces, pieceName(name, i), part.toString('base64'));
  }
  await documents.put(heads, name, { ...head, pieces: count } satisfies Head);
}

export interface Packages {
  readonly installed: Installed;
  /** Durable before it resolves, and in use from then on. */
  readonly install: (kept: KeptPackage) => Promise<void>;
  /** Reads again what another thread has installed. */
  readonly refresh: () => Promise<void>;
}

export async function openPackages(documents: Documents): Promise<Packages> {
  const installed = await load(documents);
  return {
    installed,
    async install(kept) {
      await keep(documents, kept);
      installed.add(kept);
    },
    async refresh() {
      for (const kept of (await load(documents)).list()) installed.add(kept);
    },
  };
}

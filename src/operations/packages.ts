// Implementation guides' packages: installed by an operation, kept among the documents, in memory from the start.
// ImplementationGuide/$install takes Parameters with the package as npmContent, as other servers do; R4 has no such
// operation of its own. https://hl7.org/fhir/R4/packages.html
import { FhirError } from '../errors.js';
import { isObject, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Handler } from '../interactions/context.js';
import { resourceOf } from '../interactions/prepare.js';
import type { Documents } from '../storage/documents.js';
import { installedPackages, packed, type Installed, type KeptPackage } from '../validation/installed.js';
import { readPackage } from '../validation/package.js';

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
export async function loadPackages(documents: Documents): Promise<Installed> {
  const installed = installedPackages();
  for (let after: string | undefined; ; ) {
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

export const installPackage: Handler = async ({ request, settings }) => {
  const parameters = resourceOf(request.body, 'Parameters');
  const content = contentIn(parameters);
  const found = readPackage(content);
  const kept = packed(found);
  await keep(settings.documents, kept);
  settings.validation.installed.add(kept);
  const missing = Object.entries(found.dependencies).filter(
    ([name, version]) => name !== 'hl7.fhir.r4.core' && !has(settings.validation.installed, name, version),
  );
  return sendResource({ status: 200 }, answerOf(kept, missing), request);
};

const has = (installed: Installed, name: string, version: string): boolean =>
  installed.list().some(one => one.name === name && (one.version === version || /[x*]/.test(version)));

function contentIn(parameters: Resource): Buffer {
  const list = Array.isArray(parameters['parameter']) ? parameters['parameter'] : [];
  const found = list.find(one => isObject(one) && one['name'] === 'npmContent');
  const value = isObject(found) ? found['valueBase64Binary'] : undefined;
  if (typeof value !== 'string')
    throw new FhirError(
      'required',
      'The operation takes Parameters with a parameter "npmContent": the package (.tgz) as valueBase64Binary.',
      { expression: 'Parameters.parameter' },
    );
  return Buffer.from(value, 'base64');
}

function answerOf(kept: KeptPackage, missing: readonly (readonly [string, string])[]): Resource {
  const parameter: JsonObject[] = [
    { name: 'name', valueString: kept.name },
    { name: 'version', valueString: kept.version },
    { name: 'definitions', valueInteger: kept.keys.length },
    ...missing.map(([name, version]) => ({ name: 'missing', valueString: `${name}#${version}` })),
  ];
  return { resourceType: 'Parameters', parameter };
}

// tsela brand: what apps show people of the district and its facilities. Works on the documents of the store, also while
// a server runs on them; the server knows within ten seconds. docs/smart.md
import { readFileSync } from 'node:fs';
import type { BrandBook } from '../auth/brands.js';
import type { Resource } from '../fhir/resource.js';
import { Problem } from './problem.js';
import { withDocuments, type DataOptions } from './target.js';

export interface BrandOptions extends DataOptions {
  readonly facility?: string;
  readonly developers?: string;
}

async function withBrands<T>(options: DataOptions, work: (brands: BrandBook) => Promise<T>): Promise<T> {
  const { openBrandBook } = await import('../auth/brands.js');
  return withDocuments(options, documents => work(openBrandBook(documents)));
}

/** @param file an Organization; `-` is standard input */
export async function setBrand(file: string, options: BrandOptions): Promise<number> {
  const { checkGate } = await import('../validation/gate.js');
  const { isObject, parseJson } = await import('../fhir/json.js');
  const { brandId } = await import('../auth/brands.js');
  let given: unknown;
  try {
    given = parseJson(readFileSync(file === '-' ? 0 : file));
  } catch (error) {
    throw new Problem(`${file} holds no JSON: ${(error as Error).message}`, 'An Organization is expected.');
  }
  if (isObject(given) && given['resourceType'] === 'Organization') checkGate(given as Resource);
  await withBrands(options, brands => brands.set(brandId(options.facility), given, options.developers));
  process.stdout.write(
    `The brand of ${options.facility ?? 'the district'} was set; servers know within ten seconds.\n`,
  );
  return 0;
}

export async function listBrands(options: DataOptions): Promise<number> {
  for (const [whose, { organization, developers }] of await withBrands(options, brands => brands.all()))
    process.stdout.write(`${[whose, String(organization['name']), developers ?? ''].join('\t').trimEnd()}\n`);
  return 0;
}

export async function removeBrand(options: BrandOptions): Promise<number> {
  const { brandId } = await import('../auth/brands.js');
  const whose = options.facility ?? 'the district';
  if (!(await withBrands(options, brands => brands.remove(brandId(options.facility)))))
    throw new Problem(`There is no brand of ${whose}.`, 'tsela brand list shows them.');
  process.stdout.write(`The brand of ${whose} was removed.\n`);
  return 0;
}

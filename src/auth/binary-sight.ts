// Who sees a Binary, which says itself neither whose it is nor what: whoever sees what its securityContext names; where it
// has none, whoever sees a record that refers to it; and as long as no record does, who stored it.
// https://hl7.org/fhir/R4/binary.html#security
// Surprising why: somebody who could make a record refer to any Binary would so come to see it. A reference to one that is
// hidden is refused like one to what is not there.
import { FhirError } from '../errors.js';
import { isObject, parseJson, type JsonObject } from '../fhir/json.js';
import { refKey, type Ref } from '../fhir/resource.js';
import { binaryParam, referringTypes } from '../search/binary-rows.js';
import { targetsIn, type Row } from '../search/rows.js';
import { equal, leaf } from '../search/types/search-type.js';
import { WriteConflict, type RowsOf, type ServedStore, type Version, type Write } from '../storage/store.js';
import { mayDo, type Grant } from './grant.js';
import { maskedBody, noMasks } from './masks.js';
import { localOf } from './patient-consent.js';
import { isByServer } from './server-writes.js';

export interface BinarySight {
  /** By what the version with its content says and by what refers to it now; without content there is no such Binary. */
  sees(binary: Pick<Version, 'ref' | 'body'>): Promise<boolean>;
  /** @throws FhirError `forbidden` where the Binary would belong to what is not seen */
  checkWrite(write: Write, replaced: Version | undefined, writes: readonly Write[]): Promise<void>;
  /**
   * @param made the keys of what is written
   * @throws WriteConflict `required` where something comes to refer to a Binary that is not seen
   */
  checkReferred(writes: readonly Write[], made: ReadonlySet<string>): Promise<void>;
  /** The write that also says who made it. */
  signed(write: Write): Write;
}

export interface BinaryOptions {
  readonly store: ServedStore;
  readonly grant: Grant;
  readonly rowsOf: RowsOf;
  readonly sees: (version: Version) => Promise<boolean>;
}

export function binarySight({ store, grant, rowsOf, sees }: BinaryOptions): BinarySight {
  const masks = grant.masks ?? noMasks;
  const claimOf = (ref: Ref): string => `stored-by|${grant.principal}|${refKey(ref)}`;

  const seesRecord = async (key: string): Promise<boolean> => {
    const [type = '', id = ''] = key.split('/');
    const record = await store.read({ type, id });
    return record?.body !== undefined && sees(record);
  };
  /** Whether a record shows the reference; an element that is masked does not. */
  const shows = async (record: Version, key: string): Promise<boolean> => {
    if (!(await sees(record))) return false;
    if (masks.size === 0) return true;
    return binariesIn(rowsOf({ ...record, body: maskedBody(record.body!, masks) })).includes(key);
  };
  const seesReferrer = async (ref: Ref): Promise<boolean> => {
    const key = refKey(ref);
    let plan = {
      types: referringTypes(),
      where: leaf('reference', binaryParam, [equal('target', key)]),
      sort: [],
      count: 50,
      total: 'none' as const,
    };
    for (let isFirst = true; ; isFirst = false) {
      const { versions, next } = await store.search(plan);
      for (const version of versions) if (await shows(version, key)) return true;
      if (next !== undefined) plan = Object.assign({}, plan, { after: next });
      else {
        const own = await store.claimOwner(claimOf(ref));
        return isFirst && versions.length === 0 && own !== undefined && refKey(own) === key;
      }
    }
  };

  const sight: BinarySight = {
    async sees(binary) {
      const context = contextOf(binary.body);
      // What is hidden asks all that there is to ask, like what is not there.
      const byContext = await seesRecord(context ?? `Patient/${binary.ref.id}`);
      if (context !== undefined && context !== '' && byContext) return true;
      return (await seesReferrer(binary.ref)) && context === undefined;
    },
    async checkWrite({ body, ref }, replaced, writes) {
      if (body === undefined) return;
      const context = contextOf(body);
      if (context === undefined) {
        if (contextOf(replaced?.body) !== undefined && !mayDo(grant, 'unlabel'))
          throw new FhirError('forbidden', `You may not take the securityContext off ${refKey(ref)}.`);
        return;
      }
      const isMade = writes.some(write => refKey(write.ref) === context && write.body !== undefined);
      if (!isMade && (context === '' || !(await seesRecord(context)))) {
        throw new FhirError(
          'forbidden',
          'You may not store a Binary whose securityContext is not a record that you see.',
        );
      }
    },
    async checkReferred(writes, made) {
      for (const [index, write] of writes.entries()) {
        if (isByServer(write)) continue;
        const had = binariesIn(write.replaces);
        for (const key of binariesIn(write.rows))
          if (!had.includes(key) && !made.has(key) && !(await seesBinary(key)))
            throw new WriteConflict('required', index, key);
      }
    },
    signed(write) {
      if (write.ref.type !== 'Binary' || write.body === undefined || contextOf(write.body) !== undefined)
        return write;
      return { ...write, claims: [...(write.claims ?? []), claimOf(write.ref)] };
    },
  };
  const seesBinary = async (key: string): Promise<boolean> => {
    const ref = { type: 'Binary', id: key.slice('Binary/'.length) };
    const binary = await store.read(ref);
    if (binary?.body !== undefined) return sees(binary);
    await sight.sees({ ref });
    return false;
  };
  return sight;
}

export const concernsBinary = (writes: readonly Write[]): boolean =>
  writes.some(({ ref, rows }) => ref.type === 'Binary' || rows.some(row => row.param === binaryParam));

const binariesIn = (rows: readonly Row[]): readonly string[] => targetsIn(rows, binaryParam);

/** `Patient/1`; '' where it names nothing that could be seen here, undefined where there is none. */
function contextOf(body: Uint8Array | undefined): string | undefined {
  if (body === undefined) return undefined;
  const { securityContext } = parseJson(body) as JsonObject;
  if (!isObject(securityContext)) return undefined;
  const key = localOf(securityContext['reference']) ?? '';
  return key.startsWith('Binary/') ? '' : key;
}

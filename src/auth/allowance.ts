// How often something may be asked for: counted in one compare-and-set, over all processes, whoever it is about.
import type { Documents } from '../storage/documents.js';
import { nameKey } from './accounts.js';
import { hashed } from './secrets.js';

export interface Allowance {
  readonly most: number;
  /** ms */
  readonly within: number;
}

interface Count {
  readonly times: number;
  readonly until: number;
}

const collection = 'allowances';
const keyOf = (what: string): string => hashed(nameKey(what));

/** Counts one; whether it is within what is allowed. `what` is kept as its hash. */
export async function isAllowed(
  documents: Documents,
  what: string,
  { most, within }: Allowance,
): Promise<boolean> {
  const key = keyOf(what);
  for (;;) {
    const document = await documents.get(collection, key);
    const before = document?.value as Count | undefined;
    const count: Count = { times: (before?.times ?? 0) + 1, until: before?.until ?? Date.now() + within };
    const put = await documents.put(collection, key, count, {
      expected: document?.revision ?? 0,
      expires: count.until,
    });
    if (put !== undefined) return count.times <= most;
  }
}

/** Whether one more would be within what is allowed; counts nothing. */
export async function wouldBeAllowed(
  documents: Documents,
  what: string,
  { most }: Allowance,
): Promise<boolean> {
  const count = (await documents.get(collection, keyOf(what)))?.value as Count | undefined;
  return (count?.times ?? 0) < most;
}

/** One customer of a provider has a whole /64 of IPv6. */
export function network(address: string): string {
  if (!address.includes(':')) return address;
  const [before = '', after] = address.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  return [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':');
}

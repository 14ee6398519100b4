// Writes that the server adds to a commit by its own authority, such as the labels a Consent puts on what it covers: the
// caller need not be allowed to make them, nor to see what they change. Grep for `byServer` to see who makes such writes.
import type { Write } from '../storage/store.js';

const known = new WeakSet<Write>();

export function byServer(write: Write): Write {
  known.add(write);
  return write;
}

export const isByServer = (write: Write): boolean => known.has(write);

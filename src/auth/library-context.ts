// oidc-provider knows the request it answers by an AsyncLocalStorage, which is never switched off again: from the first
// sign-in on, every promise of the process is followed, for some 5 µs of a read. https://nodejs.org/docs/latest-v20.x/api/async_context.html#asynclocalstoragedisable
import type { AsyncLocalStorage } from 'node:async_hooks';
// @ts-expect-error -- a file within the library, which is pinned; tests/auth/library-context.test.ts holds that it is this one
import storage from 'oidc-provider/lib/helpers/als.js';

/** Of the request that oidc-provider answers. To be disabled whenever it answers none. */
export const libraryContext = storage as AsyncLocalStorage<unknown>;

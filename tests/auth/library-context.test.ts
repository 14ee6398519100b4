// Promises are followed for the authorization server while it answers, and for nobody afterwards.
import type { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from 'vitest';
import { libraryContext } from '../../src/auth/library-context.js';
import { asked } from '../../src/http/sender.js';
import { json, openSmartServer, tokenRequest } from './smart-server.js';

const isFollowing = (storage: AsyncLocalStorage<unknown>): unknown =>
  (storage as unknown as { enabled: unknown }).enabled;

it('follows promises only while the authorization server answers', async () => {
  const server = await openSmartServer('SQLite');
  try {
    const app = await server.app({ kind: 'secret', redirectUris: [], scopes: ['system/*.rs'] });
    const during: unknown[] = [];
    server.authorization.app().on('grant.success', ctx => {
      during.push(libraryContext.getStore() === ctx, asked.getStore(), isFollowing(libraryContext));
    });
    const fields = { grant_type: 'client_credentials', scope: 'system/*.rs' };
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all([1, 2].map(() => tokenRequest(server, app, fields)));
      for (const answer of answers) expect((await json(answer)).access_token).toBeTypeOf('string');
      await expect.poll(() => [isFollowing(libraryContext), isFollowing(asked)]).toEqual([false, false]);
    }
    expect(during).toEqual([1, 2, 3, 4].flatMap(() => [true, '127.0.0.1', true]));
  } finally {
    await server.stop();
  }
});

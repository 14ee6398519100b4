// The limit of every HTTP measure: a Koa server that does nothing but send bytes it holds in memory.
import Koa from 'koa';
import { answering } from './children.mjs';

const bodies = new Map();
const app = new Koa();
app.use(ctx => {
  ctx.type = 'application/fhir+json; charset=utf-8';
  ctx.body = bodies.get(ctx.url);
});
const server = app.listen(0, '127.0.0.1');
answering({
  port: () => server.address().port,
  /** Pairs of URL and bytes; what was held before goes. */
  hold(pairs) {
    bodies.clear();
    for (const [url, bytes] of pairs) bodies.set(url, Buffer.from(bytes));
  },
});

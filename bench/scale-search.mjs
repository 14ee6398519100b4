// Searches on a store of its own, in process: the parameters parsed, the page searched, what belongs to it included. HTTP
// would add the same to every shape and make each seem to grow less.
import { answering } from './children.mjs';

const bases = ['http://localhost/fhir'];
let store;

async function open({ file, mongo }) {
  if (file !== undefined) {
    const { openSqliteStore } = await import('../dist/storage/sqlite/store.js');
    return openSqliteStore({ path: file });
  }
  const { openMongoStore } = await import('../dist/storage/mongo/store.js');
  return openMongoStore({ url: process.env.MONGODB_URL, database: mongo });
}

answering({
  async open(options) {
    store = await open(options);
  },

  /** Goes round the samples until `milliseconds` are over, at least `least` times; the first round is not counted. */
  async measure({ type, samples, deep }, { milliseconds, least }) {
    const { parseSearch } = await import('../dist/search/parse.js');
    const { include } = await import('../dist/search/include.js');
    const settings = { bases, handling: 'strict', zone: 'UTC', defaultCount: 20, maxCount: 1000 };
    const search = async (params, after) => {
      const { plan, includes } = parseSearch({ types: [type], params, ...settings });
      if (plan.count === 0) return { found: await store.count(plan) };
      const page = await store.search(after === undefined ? plan : { ...plan, after });
      const more = await include(store, page.versions, includes, { bases });
      return { found: page.versions.length + more.length, next: page.next };
    };
    let after;
    if (deep)
      for (let page = 0; page < deep; page++)
        after = (await search([...samples[0], ['_count', '1000']], after)).next ?? after;
    const warm = performance.now() + milliseconds;
    for (const params of samples.slice(0, least)) if (performance.now() < warm) await search(params, after);
    const times = [];
    let found = 0;
    const end = performance.now() + milliseconds;
    while (times.length < least || performance.now() < end) {
      const params = samples[times.length % samples.length];
      const asked = performance.now();
      const result = await search(params, after);
      times.push(performance.now() - asked);
      found += result.found;
    }
    return { milliseconds: times, found: found / times.length };
  },

  async close() {
    await store.close();
  },
});

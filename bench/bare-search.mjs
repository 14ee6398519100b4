// The store's search and the same query by hand, turn and turn about on the same file in one process. By hand means:
// the numbers of parameters and systems known beforehand, the join order fixed, one prepared statement, the 20 bodies read.
import Database from 'better-sqlite3';
import { answering } from './children.mjs';

const sql = `
  SELECT res.body FROM ref
  CROSS JOIN tok ON tok.p = @code AND tok.v = @value AND tok.r = ref.r AND tok.s = @system
  CROSS JOIN res ON res.rid = ref.r
  WHERE ref.p = @patient AND ref.v = (SELECT rid FROM res WHERE type = @patients AND id = @id)
  ORDER BY ref.d DESC LIMIT 20`;

let opened;

async function open(file) {
  const { openSqliteStore } = await import('../dist/storage/sqlite/store.js');
  const { parseSearch } = await import('../dist/search/parse.js');
  const db = new Database(file, { readonly: true });
  db.pragma('mmap_size = 2147418112');
  const one = (text, ...args) =>
    db
      .prepare(text)
      .pluck()
      .get(...args);
  const kind = name => one('SELECT id FROM kind WHERE name = ?', name);
  const param = (...codes) => {
    for (const code of codes) {
      const p = one('SELECT p FROM param WHERE type = ? AND code = ?', kind('Observation'), code);
      if (p !== undefined) return p;
    }
    throw new Error(`no parameter ${codes}`);
  };
  const systems = new Map(db.prepare('SELECT url, id FROM sys').raw().all());
  // Aliases have no rows of their own: patient is subject where both could hold the same.
  const constants = { patients: kind('Patient'), patient: param('patient', 'subject'), code: param('code') };
  const statement = db.prepare(sql).pluck();
  const byHand = ({ patient, code }) => {
    const bar = code.indexOf('|');
    return statement.all({
      ...constants,
      id: patient,
      value: code.slice(bar + 1),
      system: systems.get(code.slice(0, bar)),
    });
  };
  return { store: await openSqliteStore({ path: file, durability: 'full' }), parseSearch, byHand };
}

answering({
  async compare({ file, searches }) {
    const { store, parseSearch, byHand } = (opened ??= await open(file));
    const mine = { parse: [], search: [] };
    const bare = [];
    for (const search of searches) {
      const asked = performance.now();
      const { plan } = parseSearch({
        types: ['Observation'],
        params: [
          ['patient', search.patient],
          ['code', search.code],
          ['_sort', '-date'],
          ['_count', '20'],
        ],
        bases: ['http://localhost/fhir'],
        handling: 'strict',
        zone: 'UTC',
        defaultCount: 20,
        maxCount: 1000,
      });
      const parsed = performance.now();
      const { versions } = await store.search(plan);
      const searched = performance.now();
      const bodies = byHand(search);
      bare.push(performance.now() - searched);
      mine.parse.push(parsed - asked);
      mine.search.push(searched - parsed);
      // Of the same date the store shows the older first, the index by hand the younger: whole results must be equal.
      const texts = list => list.map(String).sort().join('\n');
      const whole = bodies.length < 20;
      const same =
        versions.length === bodies.length &&
        (!whole || texts(versions.map(({ body }) => Buffer.from(body))) === texts(bodies));
      if (!same)
        throw new Error(
          `${JSON.stringify(search)}: the store finds ${versions.length}, the query by hand ${bodies.length}`,
        );
    }
    return { store: mine, bare };
  },
});

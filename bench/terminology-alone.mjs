// A made-up code system of 400,000 concepts with two parents each: made, kept, read again, and asked. One core.
import { answering } from './children.mjs';
import { coreCatalog, settled } from '../dist/terminology/catalog.js';
import { conceptWriter, leadsTo, reach } from '../dist/terminology/concepts.js';
import { keepSystem, readConcepts } from '../dist/terminology/loaded.js';
import { withWords } from '../dist/terminology/text-filter.js';
import { validateCode } from '../dist/terminology/validate-code.js';

const size = 400_000;
const url = 'http://example.org/bench';
const words = [
  'acute',
  'chronic',
  'left',
  'right',
  'disorder',
  'of',
  'the',
  'lung',
  'heart',
  'kidney',
  'structure',
];
const codeOf = i => String(100000000 + i * 7);

/** Like a clinical terminology: texts of some 30 letters, two descriptions each, a graph of some twelve levels. */
function* concepts() {
  for (let i = 0; i < size; i++) {
    const text = `${words[i % 11]} ${words[(i * 7) % 11]} ${words[(i * 13) % 11]} number ${i}`;
    yield {
      code: codeOf(i),
      display: text,
      designations: [{ language: 'en', value: `${text} (finding)` }],
      properties: [{ code: 'site', type: 'Code', value: codeOf((i * 31) % 5000) }],
      parents: i === 0 ? [] : [codeOf(Math.floor((i - 1) / 3)), codeOf(Math.floor(i / 5))],
    };
  }
}

function memoryShelf() {
  const kept = new Map();
  const name = (collection, key) => `${collection}/${key}`;
  return {
    get: async (collection, key) => kept.get(name(collection, key)),
    put: async (collection, key, value) => {
      kept.set(name(collection, key), { value, revision: 1 });
      return 1;
    },
    delete: async (collection, key) => kept.delete(name(collection, key)),
    list: async () => [],
  };
}

const timed = async work => {
  const started = performance.now();
  const result = await work();
  return { ms: performance.now() - started, result };
};
const perSecond = (many, work) => {
  const started = performance.now();
  for (let i = 0; i < many; i++) work(i);
  return (many / (performance.now() - started)) * 1000;
};

let shelf;
let head;
let found;
let system;
let catalog;

answering({
  async make() {
    const made = await timed(() => {
      const writer = conceptWriter();
      for (const concept of concepts()) writer.add(concept);
      return writer.finish();
    });
    shelf = memoryShelf();
    const kept = await timed(() =>
      keepSystem(shelf, { url, content: 'complete', caseSensitive: true }, made.result),
    );
    head = kept.result;
    return { 'make ms': made.ms, 'keep ms': kept.ms, 'raw MB': head.bytes / 1e6 };
  },
  async round() {
    found = undefined;
    system = undefined;
    const read = await timed(() => readConcepts(shelf, head));
    found = read.result;
    system = { url, content: 'complete', caseSensitive: true, concepts: found, supplements: [] };
    catalog = {
      ...coreCatalog,
      memory: new Map(),
      codeSystem: asked => (asked === url ? system : undefined),
    };
    const place = i => (i * 48271) % size;
    const validate = perSecond(100_000, i => validateCode({ system: url, code: codeOf(place(i)) }, undefined, { catalog })); // prettier-ignore
    await settled(() => withWords(system, ['lung']));
    return {
      'read ms': read.ms,
      'memory MB': found.bytes / 1e6,
      lookups: perSecond(1_000_000, i => found.ordinal(codeOf(place(i)))),
      subsumes: perSecond(50_000, i => leadsTo(place(i), 1, found.above)),
      'descendants ms': (await timed(() => reach(size, 0, found.below))).ms,
      validate,
      'filter ms': (await timed(() => withWords(system, ['lung', '39999']))).ms,
    };
  },
});

// Compiles typed paths to closures: one walk over a resource serves all parameters of its type, common beginnings are
// walked once. Faster than the engine of whole FHIRPath; tests/search/extract compares their results.
import { FhirError } from '../../errors.js';
import { isObject, type Json, type JsonObject } from '../../fhir/json.js';
import type { Parameter, Tuples } from '../parameters.js';
import { searchTypes } from '../types/all.js';
import { typeOfTarget } from '../types/reference.js';
import type { Indexer } from '../types/search-type.js';
import type { Part } from '../rows.js';
import { Collector, type Slot } from './collector.js';
import type { Move, TypedPath, TypedTest } from './typed-path.js';

/** What happens at an element; `root` is the resource. */
type Work = (value: Json, root: JsonObject, into: Collector) => void;
type Test = (value: Json, root: JsonObject) => boolean | undefined;

interface Branching {
  readonly works: Work[];
  readonly children: Map<string, Branching & { readonly move: Move }>;
}

/** The compiled indexing of one resource type. */
export interface Extraction {
  readonly slots: readonly Slot[];
  readonly run: (resource: JsonObject, into: Collector) => void;
}

/** Compiles the parameters given; those without a row kind are passed over. */
export function compileExtraction(parameters: Iterable<Parameter>): Extraction {
  const slots: Slot[] = [];
  const root = branching();
  for (const parameter of parameters) {
    if (parameter.kind === undefined) continue;
    const slot = slots.push({ param: parameter.code, kind: parameter.kind }) - 1;
    for (const path of parameter.paths) {
      const index = indexerFor(parameter.type, path.type);
      plant(root, path.moves, (value, _root, into) => index(value, into.enter(slot)));
    }
    for (const tuples of parameter.tuples) plant(root, tuples.base.moves, tupleWork(tuples, parameter, slot));
    if (parameter.evaluate !== undefined) root.works.push(evaluation(parameter, parameter.evaluate, slot));
    if (parameter.test !== undefined) {
      const test = compileTest(parameter.test);
      root.works.push((value, resource, into) => {
        const holds = test(value, resource);
        if (holds !== undefined)
          into.enter(slot).add({ kind: 'token', system: '', code: holds ? 'true' : 'false' });
      });
    }
  }
  const walk = compile(root);
  return { slots, run: (resource, into) => walk(resource, resource, into) };
}

/** What the FHIRPath engine finds. A resource that the expression fails on has no values: a write never fails by an index. */
function evaluation(parameter: Parameter, evaluate: NonNullable<Parameter['evaluate']>, slot: number): Work {
  return (_value, root, into) => {
    into.enter(slot);
    try {
      for (const { value, type } of evaluate(root)) indexerFor(parameter.type, type)(value, into);
    } catch (error) {
      if (!(error instanceof FhirError)) throw error;
    }
  };
}

/** An element no row can be made of, such as a text where dates are indexed, is at least not missing. */
const indexerFor = (type: Parameter['type'], elementType: string): Indexer => {
  if (elementType === 'Extension') return extensionIndexer(type);
  return searchTypes[type]?.index[elementType] ?? ((_value, sink) => sink.present());
};

/** `extension('url')` names the extension; what is meant is its value. */
function extensionIndexer(type: Parameter['type']): Indexer {
  const index = searchTypes[type]?.index ?? {};
  const byProperty = new Map(
    Object.entries(index).map(([name, indexer]) => [
      `value${name[0]!.toUpperCase()}${name.slice(1)}`,
      indexer,
    ]),
  );
  return (value, sink) => {
    if (!isObject(value)) return;
    for (const property in value) byProperty.get(property)?.(value[property]!, sink);
  };
}

const branching = (): Branching => ({ works: [], children: new Map() });

function plant(root: Branching, moves: readonly Move[], work: Work): void {
  let at: Branching = root;
  for (const move of moves) {
    const key =
      move.move === 'get'
        ? `${move.property}[${move.at ?? ''}]`
        : move.move === 'where'
          ? `{${move.key}}`
          : '%resource';
    let next = at.children.get(key);
    if (next === undefined) {
      next = { ...branching(), move };
      at.children.set(key, next);
    }
    at = next;
  }
  at.works.push(work);
}

function compile(at: Branching): Work {
  const works = [...at.works, ...[...at.children.values()].map(compileMove)];
  if (works.length === 1) return works[0]!;
  return (value, root, into) => {
    for (const work of works) work(value, root, into);
  };
}

function compileMove(child: Branching & { readonly move: Move }): Work {
  const { move } = child;
  const work = compile(child);
  switch (move.move) {
    case 'resource':
      return (_value, root, into) => work(root, root, into);
    case 'where': {
      const test = compileTest(move.test);
      return (value, root, into) => {
        if (test(value, root) === true) work(value, root, into);
      };
    }
    case 'get': {
      const { property, at } = move;
      return (value, root, into) => {
        const found = isObject(value) ? value[property] : undefined;
        if (found === undefined || found === null) return;
        if (!Array.isArray(found)) {
          if (at === undefined || at === 0) work(found, root, into);
        } else if (at !== undefined) {
          if (found[at] !== undefined) work(found[at], root, into);
        } else for (const one of found) if (one !== null) work(one, root, into);
      };
    }
  }
}

function compileTest(test: TypedTest): Test {
  switch (test.test) {
    case 'and':
    case 'or': {
      const [left, right] = test.of.map(compileTest) as [Test, Test];
      const decisive = test.test === 'or'; // decides whatever the other side is
      return (value, root) => {
        const [a, b] = [left(value, root), right(value, root)];
        if (a === decisive || b === decisive) return decisive;
        return a === undefined || b === undefined ? undefined : !decisive;
      };
    }
    case 'equals':
    case 'differs': {
      const select = compileSelect(test.paths);
      const wanted = test.test === 'equals';
      return (value, root) => {
        const found = select(value, root);
        return found.length === 0 ? undefined : found.every(one => one === test.value) === wanted;
      };
    }
    case 'exists': {
      const select = compileSelect(test.paths);
      return (value, root) => select(value, root).length > 0;
    }
    case 'resolves-to':
      return value => typeOfTarget(typeof value === 'string' ? { reference: value } : value) === test.type;
    case 'has-extension':
      return value => {
        const extensions = isObject(value) ? value['extension'] : undefined;
        return Array.isArray(extensions) && extensions.some(one => isObject(one) && one['url'] === test.url);
      };
  }
}

function compileSelect(paths: readonly TypedPath[]): (value: Json, root: JsonObject) => readonly Json[] {
  const root = branching();
  let found: Json[] = [];
  for (const path of paths) plant(root, path.moves, value => void found.push(value));
  const walk = compile(root);
  const nowhere = new Collector([]);
  return (value, resource) => {
    found = [];
    walk(value, resource, nowhere);
    return found;
  };
}

/** One row per combination of the components' values at each element of the base; none where a component has none. */
function tupleWork(tuples: Tuples, parameter: Parameter, slot: number): Work {
  const parts = tuples.components.map((paths, i) => {
    const { type } = parameter.components[i]!;
    const root = branching();
    for (const path of paths) {
      const index = indexerFor(type, path.type);
      plant(root, path.moves, (value, _root, into) => index(value, into));
    }
    const walk = compile(root);
    const collector = new Collector([{ param: '', kind: 'composite' }]);
    return (value: Json, resource: JsonObject, into: Collector): ReturnType<Collector['takeParts']> => {
      collector.settings = into.settings;
      walk(value, resource, collector);
      return collector.takeParts();
    };
  });
  return (value, resource, into) => {
    const found = parts.map(partsOf => partsOf(value, resource, into));
    if (found.some(one => one.parts.length === 0)) return;
    into.enter(slot);
    for (const tuple of combinations(found.map(one => one.parts))) into.addTuple(tuple);
    if (!found.some(one => one.converted.length > 0)) return;
    const converted = found.map(one => (one.converted.length > 0 ? one.converted : one.parts));
    for (const tuple of combinations(converted)) into.addTuple(tuple, 'ucum');
  };
}

const combinations = (parts: readonly (readonly Part[])[]): readonly (readonly Part[])[] =>
  parts.reduce<readonly (readonly Part[])[]>(
    (tuples, some) => tuples.flatMap(tuple => some.map(part => [...tuple, part])),
    [[]],
  );

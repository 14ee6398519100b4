// The concepts of one code system, each by its ordinal, in flat arrays: small enough for systems of hundreds of thousands,
// and the same arrays are what loaded systems are stored as (loaded.ts).
// https://hl7.org/fhir/R4/codesystem.html#concept
import { isObject, parseJson, writeJson, type Json, type JsonObject } from '../fhir/json.js';
import { textDictionary, textIndex, textsOf, textWriter, type TextBlock, type Texts } from './texts.js';

export interface Designation {
  readonly language?: string;
  readonly use?: JsonObject;
  readonly value: string;
}

/** `type` is the rest of the element's name: `Code` of valueCode. */
export interface ConceptProperty {
  readonly code: string;
  readonly type: string;
  readonly value: Json;
}

/** A concept as it is given; `parents` are codes, of subsumption. */
export interface ConceptRecord {
  readonly code: string;
  readonly display?: string | undefined;
  readonly definition?: string | undefined;
  readonly designations?: readonly Designation[];
  readonly properties?: readonly ConceptProperty[];
  readonly parents?: readonly string[];
  readonly children?: readonly string[];
  readonly isAbstract?: boolean;
  readonly isInactive?: boolean;
}

/** Several per concept: those of `i` are at offsets[i] to offsets[i + 1]. */
interface Rows {
  readonly offsets: Uint32Array;
  readonly targets: Uint32Array;
}

/** What is stored. All members are plain data. */
export interface ConceptArrays {
  readonly codes: TextBlock;
  readonly displays: TextBlock;
  readonly definitions: TextBlock;
  /** 1 abstract, 2 inactive. */
  readonly flags: Uint8Array;
  readonly above: Rows;
  readonly below: Rows;
  /** Where each concept's designations start; what each is (of `uses`); their texts. */
  readonly designationOffsets: Uint32Array;
  readonly designationUses: Uint16Array;
  readonly designationTexts: TextBlock;
  readonly propertyOffsets: Uint32Array;
  readonly propertyKinds: Uint16Array;
  /** Of `propertyTexts`. */
  readonly propertyValues: Uint32Array;
  readonly propertyTexts: TextBlock;
  readonly uses: readonly Omit<Designation, 'value'>[];
  readonly kinds: readonly { readonly code: string; readonly type: string }[];
}

export interface Concepts {
  readonly size: number;
  readonly arrays: ConceptArrays;
  /** -1 where there is none. Exact, as every code is compared unless its system says otherwise. */
  readonly ordinal: (code: string) => number;
  /** Without regard to case; -1 where there is none. */
  readonly ordinalInAnyCase: (code: string) => number;
  readonly code: (ordinal: number) => string;
  readonly display: (ordinal: number) => string | undefined;
  readonly definition: (ordinal: number) => string | undefined;
  readonly isAbstract: (ordinal: number) => boolean;
  readonly isInactive: (ordinal: number) => boolean;
  readonly designations: (ordinal: number) => readonly Designation[];
  readonly properties: (ordinal: number) => readonly ConceptProperty[];
  /** Directly subsumed by it, or subsuming it. */
  readonly below: (ordinal: number) => Uint32Array;
  readonly above: (ordinal: number) => Uint32Array;
  readonly hasHierarchy: boolean;
  /** 1 for the concepts that have the property with a value that passes; each value is tested once. */
  readonly withProperty: (code: string, passes: (value: string) => boolean) => Uint8Array;
  /** Bytes it takes. */
  readonly bytes: number;
}

export function conceptsOf(arrays: ConceptArrays): Concepts {
  const codes = textsOf(arrays.codes);
  const displays = textsOf(arrays.displays);
  const definitions = textsOf(arrays.definitions);
  const designationTexts = textsOf(arrays.designationTexts);
  const propertyTexts = textsOf(arrays.propertyTexts);
  const { flags, above, below, designationOffsets, designationUses, propertyOffsets, propertyKinds } = arrays;
  const find = textIndex(codes);
  let findFolded: ((text: string) => number) | undefined;
  const rowsOf = ({ offsets, targets }: Rows, ordinal: number): Uint32Array =>
    targets.subarray(offsets[ordinal], offsets[ordinal + 1]);
  const some = (texts: Texts, ordinal: number): string | undefined => texts.at(ordinal) || undefined;
  return {
    size: codes.size,
    arrays,
    ordinal: find,
    ordinalInAnyCase: code => (findFolded ??= textIndex(codes, text => text.toLowerCase()))(code),
    code: ordinal => codes.at(ordinal),
    display: ordinal => some(displays, ordinal),
    definition: ordinal => some(definitions, ordinal),
    isAbstract: ordinal => (flags[ordinal]! & 1) !== 0,
    isInactive: ordinal => (flags[ordinal]! & 2) !== 0,
    designations(ordinal) {
      const found: Designation[] = [];
      for (let i = designationOffsets[ordinal]!; i < designationOffsets[ordinal + 1]!; i++)
        found.push({ ...arrays.uses[designationUses[i]!]!, value: designationTexts.at(i) });
      return found;
    },
    properties(ordinal) {
      const found: ConceptProperty[] = [];
      for (let i = propertyOffsets[ordinal]!; i < propertyOffsets[ordinal + 1]!; i++) {
        const kind = arrays.kinds[propertyKinds[i]!]!;
        found.push({ ...kind, value: valueOf(kind.type, propertyTexts.at(arrays.propertyValues[i]!)) });
      }
      return found;
    },
    below: ordinal => rowsOf(below, ordinal),
    above: ordinal => rowsOf(above, ordinal),
    hasHierarchy: above.targets.length > 0,
    withProperty(code, passes) {
      const marks = new Uint8Array(codes.size);
      const types = arrays.kinds.map(kind => (kind.code === code ? kind.type : undefined));
      if (types.every(type => type === undefined)) return marks;
      const tested = new Map<number, boolean>();
      for (let ordinal = 0; ordinal < codes.size; ordinal++) {
        for (let i = propertyOffsets[ordinal]!; i < propertyOffsets[ordinal + 1]!; i++) {
          const type = types[propertyKinds[i]!];
          if (type === undefined) continue;
          const value = arrays.propertyValues[i]!;
          let is = tested.get(value);
          if (is === undefined) tested.set(value, (is = passes(comparable(type, propertyTexts.at(value)))));
          if (is) marks[ordinal] = 1;
        }
      }
      return marks;
    },
    bytes: sizeOf(arrays) + codes.size * 8,
  };
}

/** Strings are kept as they are, everything else as JSON. */
const isText = (type: string): boolean => type === 'Code' || type === 'String' || type === 'DateTime';
const valueOf = (type: string, text: string): Json => (isText(type) ? text : parseJson(text));

/** What a filter compares: the code of a Coding, the text of everything else. */
function comparable(type: string, text: string): string {
  if (type !== 'Coding') return text;
  const coding = parseJson(text);
  return isObject(coding) ? String(coding['code'] ?? '') : '';
}

const sizeOf = (value: unknown): number => {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + sizeOf(each), 0);
};

/** Takes concepts one after another. The first of several with one code counts. */
export interface ConceptWriter {
  add(concept: ConceptRecord): void;
  readonly count: number;
  finish(): ConceptArrays;
}

export function conceptWriter(): ConceptWriter {
  const known = new Map<string, number>();
  const codes = textWriter();
  const displays = textWriter();
  const definitions = textWriter();
  const designationTexts = textWriter();
  const propertyTexts = textDictionary();
  const flags: number[] = [];
  const designationOffsets = [0];
  const designationUses: number[] = [];
  const propertyOffsets = [0];
  const propertyKinds: number[] = [];
  const propertyValues: number[] = [];
  const uses = interner<Omit<Designation, 'value'>>();
  const kinds = interner<{ readonly code: string; readonly type: string }>();
  const up: [child: number | string, parent: number | string][] = [];
  return {
    get count() {
      return codes.count;
    },
    add({ code, display = '', definition = '', designations = [], properties = [], ...concept }) {
      if (known.has(code)) return;
      const ordinal = codes.count;
      known.set(code, ordinal);
      codes.add(code);
      displays.add(display);
      definitions.add(definition);
      flags.push((concept.isAbstract ? 1 : 0) | (concept.isInactive ? 2 : 0));
      for (const { value, ...use } of designations) {
        designationUses.push(uses.indexOf(use));
        designationTexts.add(value);
      }
      designationOffsets.push(designationTexts.count);
      for (const { code: name, type, value } of properties) {
        propertyKinds.push(kinds.indexOf({ code: name, type }));
        propertyValues.push(
          propertyTexts.indexOf(isText(type) && typeof value === 'string' ? value : writeJson(value)),
        );
      }
      propertyOffsets.push(propertyKinds.length);
      for (const parent of concept.parents ?? []) up.push([ordinal, parent]);
      for (const child of concept.children ?? []) up.push([child, ordinal]);
    },
    finish() {
      const ordinalOf = (one: number | string): number =>
        typeof one === 'number' ? one : (known.get(one) ?? -1);
      const links = up
        .map(([child, parent]) => [ordinalOf(child), ordinalOf(parent)] as const)
        .filter(([child, parent]) => child >= 0 && parent >= 0 && child !== parent);
      return {
        codes: codes.finish(),
        displays: displays.finish(),
        definitions: definitions.finish(),
        flags: Uint8Array.from(flags),
        above: rowsOf(links, codes.count),
        below: rowsOf(
          links.map(([child, parent]) => [parent, child] as const),
          codes.count,
        ),
        designationOffsets: Uint32Array.from(designationOffsets),
        designationUses: Uint16Array.from(designationUses),
        designationTexts: designationTexts.finish(),
        propertyOffsets: Uint32Array.from(propertyOffsets),
        propertyKinds: Uint16Array.from(propertyKinds),
        propertyValues: Uint32Array.from(propertyValues),
        propertyTexts: propertyTexts.finish(),
        uses: uses.all,
        kinds: kinds.all,
      };
    },
  };
}

/** Pairs by their first member, each pair once. */
function rowsOf(pairs: readonly (readonly [number, number])[], size: number): Rows {
  const offsets = new Uint32Array(size + 1);
  for (const [from] of pairs) offsets[from + 1]!++;
  for (let i = 0; i < size; i++) offsets[i + 1]! += offsets[i]!;
  const next = offsets.slice();
  const targets = new Uint32Array(pairs.length);
  for (const [from, to] of pairs) targets[next[from]!++] = to;
  const lastFrom = new Int32Array(size).fill(-1);
  let kept = 0;
  let start = 0;
  for (let i = 0; i < size; i++) {
    const end = offsets[i + 1]!;
    for (let j = start; j < end; j++) {
      const to = targets[j]!;
      if (lastFrom[to] === i) continue;
      lastFrom[to] = i;
      targets[kept++] = to;
    }
    start = end;
    offsets[i + 1] = kept;
  }
  return { offsets, targets: targets.slice(0, kept) };
}

/** Few things that many refer to. */
function interner<T>(): { indexOf(value: T): number; readonly all: T[] } {
  const known = new Map<string, number>();
  const all: T[] = [];
  return {
    all,
    indexOf(value) {
      const key = JSON.stringify(value);
      let index = known.get(key);
      if (index === undefined) {
        index = all.push(value) - 1;
        known.set(key, index);
      }
      return index;
    },
  };
}

/** 1 for the concept and for all it leads to, in one direction. */
export function reach(size: number, start: number, next: (ordinal: number) => Uint32Array): Uint8Array {
  const reached = new Uint8Array(size);
  const open = [start];
  reached[start] = 1;
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    for (const other of next(one)) {
      if (reached[other] === 1) continue;
      reached[other] = 1;
      open.push(other);
    }
  }
  return reached;
}

/** Whether `from` leads to `to`, in one direction. */
export function leadsTo(from: number, to: number, next: (ordinal: number) => Uint32Array): boolean {
  const seen = new Set([from]);
  for (const one of seen) {
    if (one === to) return true;
    for (const other of next(one)) seen.add(other);
  }
  return false;
}

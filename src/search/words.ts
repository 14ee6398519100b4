// The words of a resource, for `_text` (its narrative) and `_content` (everything else that is text). They are folded as
// names are (fold.ts), kept in their order so that phrases can be found, and texts do not run into one another.
// https://hl7.org/fhir/R4/search.html#content
// Surprising: `_content` rows leave the narrative out; who asks for `_content` asks both (full-text.ts).
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { shapeOf, type Property, type Shape } from '../fhir/shape.js';
import { foldedOf } from './fold.js';

/** Folded words between single spaces, a space at both ends; a line feed is a word of its own between two texts. */
export interface Words {
  readonly narrative: string;
  readonly content: string;
}

/** So many characters of folded text are kept of a resource. */
export const mostText = 1_000_000;

const textTypes = new Set(['string', 'markdown', 'code']);
/** Texts by their type, but names for machines. */
const notText = new Set(['id', 'Reference.reference']);

type Take = (value: Json, into: Gathering) => void;

interface Gathering {
  readonly narrative: Set<string>;
  readonly content: Set<string>;
  left: number;
}

const takes = new WeakMap<Shape, ReadonlyMap<string, Take>>();

/** What is done with each property of a shape; those without words are not there. */
function takesOf(shape: Shape): ReadonlyMap<string, Take> {
  let known = takes.get(shape);
  if (known === undefined) {
    const found = new Map<string, Take>();
    for (const property of shape.properties.values()) {
      const take = takeOf(property);
      if (take !== undefined) found.set(property.name, take);
      if (property.primitive && property.name !== 'id')
        found.set(
          `_${property.name}`,
          takeObject(() => shapeOf('Element')),
        );
    }
    takes.set(shape, (known = found));
  }
  return known;
}

function takeOf(property: Property): Take | undefined {
  const { type, name, path } = property;
  if (type === 'xhtml') return takeNarrative;
  if (property.primitive)
    return textTypes.has(type) && !notText.has(name) && !notText.has(path) ? takeText : undefined;
  if (type === 'Narrative') return takeObject(narrativeShape);
  if (type === 'Resource') return takeResource;
  if (type === 'Meta') return undefined;
  return takeObject(() => property.shape());
}

/** Of a narrative its status is left out. */
const narrativeShape = (): Shape => ({
  path: 'Narrative',
  properties: new Map([...shapeOf('Narrative').properties].filter(([name]) => name !== 'status')),
});

const takeText: Take = (value, into) => {
  if (typeof value === 'string') add(into.content, foldedOf(value), into);
  else if (Array.isArray(value)) for (const one of value) takeText(one, into);
};

function takeObject(shape: () => Shape): Take {
  let of: ReadonlyMap<string, Take> | undefined;
  const take: Take = (value, into) => {
    if (Array.isArray(value)) for (const one of value) take(one, into);
    else if (isObject(value)) gather(value, (of ??= takesOf(shape())), into);
  };
  return take;
}

const takeResource: Take = (value, into) => {
  if (Array.isArray(value)) for (const one of value) takeResource(one, into);
  else if (isObject(value) && typeof value['resourceType'] === 'string')
    gather(value, takesOf(shapeOf(value['resourceType'])), into);
};

/** The texts between the tags, and those that images have instead; elements end words, but for those within a line. */
const takeNarrative: Take = (value, into) => {
  if (typeof value !== 'string') return;
  for (const text of textsOf(value)) add(into.narrative, foldedOf(text), into);
};

function gather(object: JsonObject, of: ReadonlyMap<string, Take>, into: Gathering): void {
  for (const name in object) of.get(name)?.(object[name]!, into);
}

/** Longer ones are not kept: nobody looks for them, and an index would cut them. */
const longestWord = 1_000;
const tooLong = new RegExp(`[^ ]{${longestWord + 1},}`, 'g');

/** Whether a folded text is punctuation, which `fold` leaves as it is where there is nothing else. */
export const isMarks = (folded: string): boolean =>
  !/^[a-z0-9]/.test(folded) && /[\p{P}\p{S}\p{C}]/u.test(folded);

function add(to: Set<string>, folded: string, into: Gathering): void {
  const text =
    folded.length > longestWord ? folded.replace(tooLong, '').replace(/ {2,}/g, ' ').trim() : folded;
  if (text === '' || into.left <= 0 || to.has(text) || isMarks(text)) return;
  const kept = text.length <= into.left ? text : text.slice(0, Math.max(0, text.lastIndexOf(' ', into.left)));
  if (kept !== '') to.add(kept);
  into.left -= text.length;
}

/** Elements within a line do not end a word. */
const inline = new Set(
  'a abbr acronym b bdo big cite code dfn em font i kbd q s samp small span strike strong sub sup tt u var'.split(
    ' ',
  ),
);
const named: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
};

/** Read once from left to right, whatever it is: clients send it. */
function textsOf(xhtml: string): readonly string[] {
  const texts: string[] = [];
  let text = '';
  const end = (): void => {
    if (/\S/.test(text)) texts.push(text.replace(/&(#x?[0-9a-f]{1,8}|[a-z]{1,10});/gi, entity));
    text = '';
  };
  let wellFormed = true;
  for (let at = 0; at < xhtml.length;) {
    const open = xhtml.indexOf('<', at);
    text += xhtml.slice(at, open < 0 ? xhtml.length : open);
    if (open < 0) break;
    if (xhtml.startsWith('<!--', open)) {
      const close = xhtml.indexOf('-->', open);
      if (close < 0) break;
      at = close + '-->'.length;
      continue;
    }
    let close = wellFormed ? tagEnd(xhtml, open) : -1;
    if (close < 0) {
      wellFormed = false;
      close = xhtml.indexOf('>', open);
      if (close < 0) break;
    }
    const tag = xhtml.slice(open + 1, close);
    const name = /^\/?(\w+)/.exec(tag)?.[1]?.toLowerCase() ?? '';
    if (!inline.has(name)) end();
    if (name === 'img') {
      const [, double, single] = /\salt\s*=\s*(?:"([^"]*)"|'([^']*)')/.exec(tag) ?? [];
      text = double ?? single ?? '';
      end();
    }
    at = close + 1;
  }
  end();
  return texts;
}

/** Where the tag's `>` is, outside of quotes; -1 where there is none. */
function tagEnd(xhtml: string, open: number): number {
  for (let at = open + 1; at < xhtml.length; at++) {
    const letter = xhtml[at];
    if (letter === '>') return at;
    if (letter !== '"' && letter !== "'") continue;
    at = xhtml.indexOf(letter, at + 1);
    if (at < 0) return -1;
  }
  return -1;
}

const entity = (_whole: string, name: string): string => {
  if (!name.startsWith('#')) return named[name] ?? ' ';
  const code = /^#x/i.test(name) ? parseInt(name.slice(2), 16) : Number(name.slice(1));
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' ';
};

const joined = (texts: ReadonlySet<string>): string =>
  texts.size === 0 ? '' : ` ${[...texts].join(' \n ')} `;

export function wordsOf(resource: JsonObject): Words {
  const into: Gathering = { narrative: new Set(), content: new Set(), left: mostText };
  takeResource(resource, into);
  return { narrative: joined(into.narrative), content: joined(into.content) };
}

// The XHTML a narrative may hold: an allow-list of elements and attributes, links that do nothing, well-formed to the
// last tag. Scanned tag by tag without making a tree. https://hl7.org/fhir/R4/narrative.html#xhtml
import { tableOf } from './table.js';

export interface NarrativeProblem {
  /** txt-1 what is not allowed, txt-2 no content, xhtml not well-formed, link what leads nowhere a browser goes. */
  readonly rule: 'txt-1' | 'txt-2' | 'xhtml' | 'link';
  readonly text: string;
}

const names = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** HTML 4.0 chapters 7 to 11 (without 9.4) and 15, and anchors and images. */
const elements = names(
  'p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt dfn q var abbr acronym cite blockquote hr address bdo ' +
    'kbd sub sup ul ol li dl dt dd pre table caption colgroup col thead tr tfoot tbody th td code samp img map area',
);
/** HTML's void elements; the others need their end tag, or the short form of XML. */
const attributes = names(
  'title style class id lang xml:lang dir accesskey tabindex span width align valign char charoff abbr axis headers ' +
    'scope rowspan colspan xmlns',
);
const ofElement = tableOf({
  a: names('name href hreflang charset type rel rev shape coords'),
  img: names('src alt longdesc height usemap ismap border'),
  map: names('name'),
  area: names('shape coords href nohref alt'),
  table: names('summary border frame rules cellspacing cellpadding'),
  td: names('nowrap height'),
  th: names('nowrap height'),
  blockquote: names('cite'),
  q: names('cite'),
  pre: names('xml:space space'),
  ol: names('start type'),
  ul: names('type'),
  li: names('value type'),
});
const namespace = 'http://www.w3.org/1999/xhtml';

const openTag =
  /<([A-Za-z][A-Za-z0-9:]*)((?:\s+[A-Za-z_:][-A-Za-z0-9_:.]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/y;
const closeTag = /<\/([A-Za-z][A-Za-z0-9:]*)\s*>/y;
const attribute = /([A-Za-z_:][-A-Za-z0-9_:.]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
/** XML's own; HTML's names, such as nbsp, are not known there. */
const entity = /&(?:(?:amp|lt|gt|quot|apos)|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});/y;

const most = 20;
const deepest = 200;
const shown = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** What is wrong with the content of Narrative.div; [] if nothing. At most 20 problems. */
export function narrativeProblems(html: string): readonly NarrativeProblem[] {
  const problems: NarrativeProblem[] = [];
  const add = (rule: NarrativeProblem['rule'], text: string): void => {
    if (problems.length < most && !problems.some(problem => problem.text === text))
      problems.push({ rule, text });
  };
  const stack: string[] = [];
  let content = false;
  let closed = false;
  let at = html.indexOf('<');
  if (at < 0 || !blank(html, 0, at)) {
    add('xhtml', 'A narrative is one <div> element, with nothing before it.');
    return problems;
  }
  while (at < html.length) {
    openTag.lastIndex = at;
    const open = openTag.exec(html);
    let end: number;
    if (open !== null) {
      const [all, name = '', given = '', short] = open;
      end = at + all.length;
      if (closed) add('xhtml', 'A narrative is one <div> element, with nothing behind it.');
      if (stack.length === 0 && !closed) judgeRoot(name, given, add);
      if (!elements.has(name)) add('txt-1', `<${shown(name)}> is not allowed in a narrative.`);
      if (name === 'img') content = true;
      if (given !== '') judgeAttributes(name, given, add);
      if (short === '') {
        if (stack.length >= deepest) {
          add('xhtml', `The narrative nests deeper than ${deepest} elements.`);
          return problems;
        }
        stack.push(name);
      } else if (stack.length === 0) closed = true;
    } else if (html.startsWith('</', at)) {
      closeTag.lastIndex = at;
      const close = closeTag.exec(html);
      const expected = stack.pop();
      if (close === null || close[1] !== expected) {
        add(
          'xhtml',
          `The narrative is not well-formed: ${close?.[0] ?? '</'} closes <${expected ?? 'nothing'}>.`,
        );
        return problems;
      }
      end = at + close[0].length;
      if (stack.length === 0) closed = true;
    } else if (html.startsWith('<!--', at)) {
      const ending = html.indexOf('-->', at + 4);
      if (ending < 0) {
        add('xhtml', 'A comment in the narrative does not end.');
        return problems;
      }
      end = ending + 3;
    } else {
      add('xhtml', `The narrative is not well-formed at ${JSON.stringify(shown(html.slice(at, at + 30)))}.`);
      return problems;
    }
    at = html.indexOf('<', end);
    if (at < 0) at = html.length;
    if (at > end && !(content && stack.length > 0) && !blank(html, end, at)) {
      content = true;
      if (stack.length === 0) add('xhtml', 'A narrative is one <div> element, with nothing behind it.');
    }
  }
  if (stack.length > 0) add('xhtml', `The narrative is not well-formed: <${stack.pop()!}> is not closed.`);
  judgeEntities(html, add);
  if (!content) add('txt-2', 'A narrative needs some text or an image.');
  return problems;
}

type Add = (rule: NarrativeProblem['rule'], text: string) => void;

function blank(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const c = text.charCodeAt(i);
    if (c !== 32 && c !== 10 && c !== 13 && c !== 9) return false;
  }
  return true;
}

function judgeRoot(name: string, given: string, add: Add): void {
  if (name !== 'div') add('xhtml', `A narrative is one <div> element, not <${shown(name)}>.`);
  else if (!new RegExp(`\\sxmlns\\s*=\\s*["']${namespace}["']`).test(given))
    add('xhtml', `The <div> of a narrative needs xmlns="${namespace}".`);
}

function judgeAttributes(element: string, given: string, add: Add): void {
  attribute.lastIndex = 0;
  for (let match = attribute.exec(given); match !== null; match = attribute.exec(given)) {
    const [, name = '', double, single] = match;
    const allowed =
      attributes.has(name) || ofElement(element)?.has(name) === true || name.startsWith('xmlns:');
    if (!allowed) add('txt-1', `The attribute ${shown(name)} of <${element}> is not allowed in a narrative.`);
    else if (name === 'href' || name === 'src')
      judgeLink(element, name, (double ?? single ?? '').trim(), add);
    else if (name === 'xmlns' && (double ?? single) !== namespace)
      add('xhtml', `The <${element}> of a narrative is in another namespace than ${namespace}.`);
  }
}

/** Schemes that act instead of leading somewhere. */
const active = names('javascript vbscript data');
/** Where a link may lead; what has no scheme is relative. */
const schemes = names('http https mailto tel ftp fax sms');
function judgeLink(element: string, name: string, link: string, add: Add): void {
  // Browsers skip blanks and control characters within a scheme.
  const bare = [...link.toLowerCase().replace(/&#x?[0-9a-f]+;/g, '')].filter(char => char > ' ').join('');
  const scheme = /^([a-z][a-z0-9+.-]*):/.exec(bare)?.[1];
  if (scheme === undefined || schemes.has(scheme)) return;
  if (scheme === 'data' && name === 'src') return;
  // Within a transaction urn:uuid links are fine: they become links to what is stored.
  add(
    active.has(scheme) ? 'txt-1' : 'link',
    `The ${name} of <${element}> leads to "${shown(link)}"; a narrative may link to http, https, mailto, tel or #id.`,
  );
}

function judgeEntities(html: string, add: Add): void {
  for (let at = html.indexOf('&'); at >= 0; at = html.indexOf('&', at + 1)) {
    entity.lastIndex = at;
    if (!entity.test(html))
      add(
        'xhtml',
        `The narrative has ${JSON.stringify(/^&[^;\s<]{0,20};?/.exec(html.slice(at, at + 24))?.[0] ?? '&')}, which XML does not know; use the character itself or &#…;.`,
      );
  }
}

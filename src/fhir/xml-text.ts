// The text of an XML document: from bytes to characters, its declaration, and the references in values.
// https://www.w3.org/TR/xml/
import { FhirError } from '../errors.js';
import { isXmlCharacter, noXml } from './xml-shape.js';

/** Refuses with what is wrong and where. */
type Fail = (what: string, at: number) => never;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text with line ends as XML has them. @throws FhirError `invalid-xml` for what is not UTF-8 or no character of XML */
export function decodeXml(input: string | Uint8Array): string {
  let text: string;
  try {
    text = typeof input === 'string' ? input.replace(/^\ufeff/, '') : utf8.decode(input);
  } catch (cause) {
    throw new FhirError('invalid-xml', 'The body is not valid UTF-8, in which FHIR writes XML.', { cause });
  }
  const wrong = noXml.exec(text);
  if (wrong !== null) {
    const code = wrong[0].charCodeAt(0).toString(16).padStart(4, '0');
    throw new FhirError(
      'invalid-xml',
      `The body holds U+${code}, which is no character of XML, ${placeOf(text, wrong.index)}.`,
    );
  }
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}

/** `at line 3, column 7` */
export function placeOf(text: string, at: number): string {
  const before = text.slice(0, at);
  return `at line ${before.split('\n').length}, column ${at - before.lastIndexOf('\n')}`;
}

const declaration =
  /^<\?xml\s+version\s*=\s*(?:"1\.\d"|'1\.\d')(?:\s+encoding\s*=\s*(?:"([\w.-]+)"|'([\w.-]+)'))?(?:\s+standalone\s*=\s*(?:"(?:yes|no)"|'(?:yes|no)'))?\s*\?>/;

/** Behind the XML declaration, if there is one. */
export function afterDeclaration(text: string, fail: Fail): number {
  const found = declaration.exec(text.slice(0, 200));
  if (found === null) return 0;
  const encoding = (found[1] ?? found[2])?.toLowerCase();
  if (encoding !== undefined && encoding !== 'utf-8' && encoding !== 'us-ascii')
    fail(`The document says that it is in ${encoding}; FHIR writes XML in UTF-8`, 0);
  return found[0].length;
}

const five = new Map(Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }));

/** The value an attribute stands for: white space as blanks, references as what they refer to. */
export function resolveReferences(raw: string, fail: Fail): string {
  return raw
    .replace(/[\n\t]/g, ' ')
    .replace(
      /&(?:#(\d{1,7});|#x([0-9A-Fa-f]{1,6});|([A-Za-z_][\w.-]*);)?/g,
      (whole, decimal?: string, hex?: string, name?: string, offset?: unknown) => {
        const at = offset as number;
        if (name !== undefined) {
          const what = `The entity &${name.slice(0, 50)}; is not defined: FHIR has only the five of XML`;
          return five.get(name) ?? fail(what, at);
        }
        const code = decimal === undefined ? parseInt(hex ?? '', 16) : Number(decimal);
        if (isXmlCharacter(code)) return String.fromCodePoint(code);
        return fail(whole === '&' ? 'A "&" must be written as &amp;' : `${whole} is no character of XML`, at);
      },
    );
}

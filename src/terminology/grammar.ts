// Code systems that are a grammar or a registry rather than a list: units, languages, media types, currencies, countries.
// https://hl7.org/fhir/R4/terminologies-systems.html
import { isUnit, ucumSystem } from '../fhir/ucum.js';

/** true, false, or unknown: whatever is not certain is not guessed. */
export type Membership = true | false | 'unknown';

export interface Grammar {
  has(code: string): Membership;
  display?(code: string): string | undefined;
  /** Where they can be listed. */
  readonly codes?: readonly string[];
}

/** language-extlang-script-region-variant-extension-privateuse, RFC 5646 section 2.1. */
const languageTag =
  /^(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?$|^x(?:-[a-z0-9]{1,8})+$/i;
const oldTags = new Set([
  'i-ami', 'i-bnn', 'i-default', 'i-enochian', 'i-hak', 'i-klingon', 'i-lux', 'i-mingo', 'i-navajo', 'i-pwn', 'i-tao',
  'i-tay', 'i-tsu', 'sgn-be-fr', 'sgn-be-nl', 'sgn-ch-de', 'art-lojban', 'cel-gaulish', 'no-bok', 'no-nyn', 'zh-guoyu',
  'zh-hakka', 'zh-min', 'zh-min-nan', 'zh-xiang', 'en-gb-oed',
]); // prettier-ignore

/** RFC 6838 section 4.2, with parameters of RFC 2045. */
const restricted = '[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}';
const mediaType = new RegExp(
  `^(?:application|audio|font|example|image|message|model|multipart|text|video|chemical|x-[a-z0-9-]+)/${restricted}` +
    `(?:\\s*;\\s*[A-Za-z0-9!#$&^_.+-]+=(?:[^\\s;"]+|"[^"]*"))*$`,
);

const names = (type: 'language' | 'region' | 'currency') =>
  new Intl.DisplayNames('en', { type, fallback: 'none' });

/** Beside those in use there are some of the past, which old records hold. */
const currencies = new Set([
  ...Intl.supportedValuesOf('currency'),
  'XAU', 'XAG', 'XPD', 'XPT', 'XTS', 'XXX', 'XBA', 'XBB', 'XBC', 'XBD', 'XDR', 'XSU', 'XUA',
]); // prettier-ignore

const languages: Grammar = {
  has: code => languageTag.test(code) || oldTags.has(code.toLowerCase()),
  display: code => {
    try {
      return names('language').of(code);
    } catch {
      return undefined;
    }
  },
};

const grammars: Readonly<Record<string, Grammar>> = {
  [ucumSystem]: { has: isUnit },
  'urn:ietf:bcp:47': languages,
  'urn:ietf:bcp:13': { has: code => mediaType.test(code) },
  'urn:iso:std:iso:4217': {
    codes: [...currencies].sort(),
    has: code => currencies.has(code),
    display: code => (currencies.has(code) ? names('currency').of(code) : undefined),
  },
  'urn:iso:std:iso:3166': {
    // Letters in threes and numbers are of the standard too, and not listed here.
    has: code => (!/^[A-Z]{2}$/.test(code) ? 'unknown' : names('region').of(code) !== undefined || 'unknown'),
    display: code => (/^[A-Z]{2}$/.test(code) ? names('region').of(code) : undefined),
  },
};

export const grammarOf = (system: string): Grammar | undefined =>
  Object.hasOwn(grammars, system) ? grammars[system] : undefined;
export const grammarSystems = Object.keys(grammars);

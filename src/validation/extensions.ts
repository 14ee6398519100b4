// Extensions: whether they are known, may stand where they stand, and are what their definition says.
// https://hl7.org/fhir/R4/extensibility.html, https://hl7.org/fhir/R4/defining-extensions.html#context
import { FhirError } from '../errors.js';
import { compileFhirPath } from '../fhir/fhirpath.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { moreContexts } from './errata.js';
import type { Finding } from './finding.js';
import type { Profile } from './profiles.js';
import type { Frame, Run } from './run.js';
import { kindsOf } from './types.js';

/** What holds an extension. */
export interface Holder {
  /** The element or resource itself; of a primitive its sibling. */
  readonly value: JsonObject;
  readonly path: string;
  /** Path of its definition: `Patient.contact`, `HumanName.family`. */
  readonly defined: string;
  /** Where a contentReference leads. */
  readonly refersTo: string | undefined;
  readonly type: string;
  /** Of the extension that this is, or whose value this is. */
  readonly url: string | undefined;
}

const isAbsolute = (url: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(url);

/** The profile that defines an extension, after it was judged whether the extension may be where it is. */
export function checkExtension(
  extension: JsonObject,
  path: string,
  holder: Holder,
  isModifier: boolean,
  frame: Frame,
  run: Run,
): Profile | undefined {
  const url = extension['url'];
  if (typeof url !== 'string') return undefined;
  const say = (
    rule: string,
    text: string,
    severity: Finding['severity'] = 'error',
    code = 'extension',
  ): void => run.report({ severity, code, expression: path, text, rule });
  if (!isAbsolute(url)) {
    if (holder.type !== 'Extension')
      say('extension-url', `The url "${url.slice(0, 100)}" of an extension must be absolute.`);
    else checkDefined(url, holder, say, run);
    return undefined;
  }
  const profile = run.profiles.get(url);
  if (profile?.type !== 'Extension') {
    if (profile) say('extension-url', `${url} is no extension but a ${profile.type}.`);
    else if (isModifier)
      say('extension-unknown', `The modifier extension ${url.slice(0, 200)} is not known here.`);
    else if (!isPartOf(url, holder, run))
      say(
        'extension-unknown',
        `The extension ${url.slice(0, 200)} is not known here.`,
        isLater(url) ? 'information' : run.options.unknownExtensions(url),
      );
    return undefined;
  }
  if (profile.root.isModifier !== isModifier)
    say(
      'extension-modifier',
      isModifier
        ? `${url} is no modifier extension and belongs into extension.`
        : `${url} is a modifier extension and belongs into modifierExtension.`,
    );
  checkContext(profile, extension, holder, frame, run, say);
  return profile;
}

/** HL7's own extensions since R4 are published apart from it, and for other versions under their number. */
const isLater = (url: string): boolean =>
  /^http:\/\/hl7\.org\/fhir\/(?:tools\/|\d\.\d\/)?StructureDefinition\//.test(url);

/** Whether an extension with a url of its own is one of the parts its holder defines. */
const isPartOf = (url: string, holder: Holder, run: Run): boolean =>
  holder.type === 'Extension' && holder.url !== undefined && partsOf(holder.url, run)?.has(url) === true;

/** The urls that an extension defines for what is within it; undefined where it is not known. */
function partsOf(url: string, run: Run): ReadonlySet<string> | undefined {
  const root = isAbsolute(url) ? run.profiles.get(url)?.root : undefined;
  const node = root?.children?.get('extension');
  if (!root) return undefined;
  const urls = (node?.slices ?? []).flatMap(slice => {
    const fixed = slice.children?.get('url')?.fixed?.value;
    return typeof fixed === 'string' ? [fixed] : slice.types.flatMap(({ profiles }) => profiles);
  });
  return new Set(urls);
}

function checkDefined(
  url: string,
  holder: Holder,
  say: (rule: string, text: string) => void,
  run: Run,
): void {
  const parts = holder.url === undefined ? undefined : partsOf(holder.url, run);
  if (parts && !parts.has(url))
    say('extension-part', `"${url.slice(0, 100)}" is no part of the extension ${holder.url ?? ''}.`);
}

function checkContext(
  profile: Profile,
  extension: JsonObject,
  holder: Holder,
  frame: Frame,
  run: Run,
  say: (rule: string, text: string, severity?: Finding['severity'], code?: string) => void,
): void {
  const { context = [], contextInvariant = [], url } = profile.structure;
  const places = context.map(({ type, expression }) => ({ type, expression }));
  const more = moreContexts.get(url);
  if (more !== undefined) places.push({ type: 'element', expression: more });
  if (places.length > 0 && !places.some(place => stands(place, holder, frame, run)))
    say(
      'extension-context',
      `The extension ${url} may not be on ${placeOf(holder, frame)}; it is for ${places.map(({ expression }) => expression).join(', ')}.`,
    );
  for (const expression of contextInvariant) {
    if (holds(expression, extension, holder) === false)
      say(
        'extension-context',
        `The extension ${url} is only for where ${expression.slice(0, 300)}.`,
        'error',
        'invariant',
      );
  }
}

/** The way from the resource to the holder without indexes: `Patient.name.family`. */
function placeOf(holder: Holder, frame: Frame): string {
  const below = holder.path.slice(frame.path.length).replace(/\[\d+\]|\.ofType\(\w+\)/g, '');
  return String(frame.resource['resourceType']) + below;
}

function stands(
  { type, expression }: { type: string; expression: string },
  holder: Holder,
  frame: Frame,
  run: Run,
): boolean {
  if (type === 'extension') return holder.url === expression;
  if (type === 'fhirpath') return selects(expression, holder, frame);
  const wanted = expression.replaceAll('[x]', '');
  if (wanted.startsWith('http')) {
    // A profile, perhaps with an element of it.
    const [url = '', element] = wanted.split('#', 2);
    const profile = run.profiles.get(url);
    if (!profile) return false;
    return element === undefined
      ? kindsOf(holder.type).has(profile.type)
      : placeOf(holder, frame) === element;
  }
  // R4's own extensions say Element where they mean everywhere, resources too.
  if (wanted === 'Element' || kindsOf(holder.type).has(wanted)) return true;
  if (holder.defined.replaceAll('[x]', '') === wanted || holder.refersTo === wanted) return true;
  const place = placeOf(holder, frame);
  if (place === wanted) return true;
  // An element of a supertype: Resource.meta of a Patient.
  const dot = wanted.indexOf('.');
  if (dot < 0) return false;
  const rest = place.indexOf('.');
  return (
    rest > 0 &&
    place.slice(rest) === wanted.slice(dot) &&
    kindsOf(String(frame.resource['resourceType'])).has(wanted.slice(0, dot))
  );
}

function selects(expression: string, holder: Holder, frame: Frame): boolean {
  try {
    const found = compileFhirPath(expression)(frame.resource);
    return found.some(value => value === holder.value || value === true);
  } catch (error) {
    if (error instanceof FhirError) return true;
    throw error;
  }
}

/** Undefined where the invariant cannot be evaluated. */
function holds(expression: string, extension: JsonObject, holder: Holder): boolean | undefined {
  try {
    const text = expression.replaceAll('%extension', `extension.where(url = '${String(extension['url'])}')`);
    const found: readonly Json[] = compileFhirPath(text, holder.defined)(holder.value);
    return found.length === 0 ? undefined : found[0] === true;
  } catch (error) {
    if (error instanceof FhirError) return undefined;
    throw error;
  }
}

/** The values of `extension` or `modifierExtension` of an object. */
export function extensionsIn(
  object: JsonObject,
  name: 'extension' | 'modifierExtension',
  visit: (extension: JsonObject, index: number) => void,
): void {
  const list = object[name];
  if (!Array.isArray(list)) return;
  for (let i = 0; i < list.length; i++) {
    const one = list[i];
    if (isObject(one)) visit(one, i);
  }
}

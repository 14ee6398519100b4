// $translate by concept maps. https://hl7.org/fhir/R4/conceptmap-operation-translate.html
import { FhirError } from '../errors.js';
import type { ConceptMapDefinition } from '../fhir/definitions.js';
import { isObject, type Json, type JsonObject } from '../fhir/json.js';
import { sendResource } from '../interactions/answer.js';
import type { Context, Handler } from '../interactions/context.js';
import { canonicalParts } from '../terminology/catalog.js';
import type { Coded } from '../terminology/membership.js';
import { isTranslated, translate, type Translating, type Translation } from '../terminology/translate.js';
import { givenTo, parametersOut, valued, type Answered, type Given } from './operation-parameters.js';
import { checkPermitted, definitionOfInstance, noSuch } from './terminology-subject.js';

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

const codedOf = (coding: JsonObject): readonly Coded[] => {
  const code = text(coding['code']);
  if (code === undefined) return [];
  return [{ system: text(coding['system']), version: text(coding['version']), code }];
};

const codedIn = (concept: JsonObject): readonly Coded[] =>
  (Array.isArray(concept['coding']) ? concept['coding'] : []).filter(isObject).flatMap(codedOf);

const forms = ['code', 'coding', 'codeableConcept'] as const;

function askedOf(given: Given): readonly Coded[] {
  const [form, another] = forms.filter(name => given.has(name));
  if (form === undefined || another !== undefined)
    throw new FhirError('required', 'Exactly one of code, coding and codeableConcept is needed.');
  if (form === 'code') {
    const system = given.text('system');
    if (system === undefined) throw new FhirError('required', 'A code needs its system.');
    return [{ system, version: given.text('version'), code: given.text('code')! }];
  }
  return form === 'coding' ? codedOf(given.object('coding')!) : codedIn(given.object('codeableConcept')!);
}

const sourceOf = (map: ConceptMapDefinition): string | undefined => map.sourceCanonical ?? map.sourceUri;
const targetOf = (map: ConceptMapDefinition): string | undefined => map.targetCanonical ?? map.targetUri;

/** The maps to be used: the one named, else all between the value sets that are named. */
async function mapsOf(context: Context, given: Given): Promise<readonly ConceptMapDefinition[]> {
  const direct =
    (await definitionOfInstance(context, 'ConceptMap')) ??
    (given.resource('conceptMap') as unknown as ConceptMapDefinition | undefined);
  if (direct !== undefined) return [direct];
  const { url, version } = canonicalParts(given.text('url') ?? '');
  if (url !== '') {
    const maps = context.catalog.conceptMaps(url, given.text('conceptMapVersion') ?? version);
    if (maps.length === 0) throw noSuch('concept map', url);
    return maps.slice(0, 1);
  }
  const isBetween = (canonical: string | undefined, wanted: string | undefined): boolean =>
    wanted === undefined ||
    (canonical !== undefined && canonicalParts(canonical).url === canonicalParts(wanted).url);
  const [source, target] = [given.text('source'), given.text('target')];
  const isReverse = given.flag('reverse') === true;
  return context.catalog.conceptMaps().filter(map => {
    const [from, to] = isReverse ? [targetOf(map), sourceOf(map)] : [sourceOf(map), targetOf(map)];
    return isBetween(from, source) && isBetween(to, target);
  });
}

/** GET and POST of `ConceptMap/$translate` and `ConceptMap/[id]/$translate`. */
export const translateCode: Handler = async context => {
  checkPermitted(context, 'ConceptMap');
  const given = givenTo(context, 'ConceptMap-translate');
  const asked = askedOf(given);
  const how: Translating = {
    catalog: context.catalog,
    targetSystem: given.text('targetsystem'),
    reverse: given.flag('reverse') ?? false,
    dependencies: given.parts('dependency').map(parts => {
      const concept = parts.get('concept');
      return {
        property: text(parts.get('element')) ?? '',
        values: isObject(concept) ? [...codedIn(concept), ...textOf(concept)] : [],
      };
    }),
  };
  const maps = await mapsOf(context, given);
  const found = new Map<string, Translation>();
  for (const map of maps)
    for (const coded of asked)
      for (const one of translate(map, coded, how)) found.set(JSON.stringify(one), one);
  const matches = [...found.values()];
  const isDone = matches.some(isTranslated);
  const names = asked.map(({ system, code }) => `${system ?? ''}|${code}`).join(', ').slice(0, 300); // prettier-ignore
  return sendResource(
    { status: 200 },
    parametersOut([
      { name: 'result', valueBoolean: isDone },
      isDone ? undefined : { name: 'message', valueString: `No concept map here translates ${names} as was asked.` }, // prettier-ignore
      ...matches.map(matchOf),
    ]),
    context.request,
  );
};

/** Maps may depend on a mere text. */
const textOf = (concept: JsonObject): readonly Coded[] => {
  const value = text(concept['text']);
  return value === undefined ? [] : [{ code: value }];
};

function matchOf({ equivalence, concept, products, source }: Translation): Answered {
  const coding =
    concept === undefined
      ? undefined
      : (Object.fromEntries(
          Object.entries(concept).filter(([, value]) => value !== undefined),
        ) as JsonObject);
  return {
    name: 'match',
    part: [
      { name: 'equivalence', valueCode: equivalence },
      valued('concept', 'Coding', coding),
      ...products.map(({ property, system, value, display }) => ({
        name: 'product',
        part: [
          { name: 'element', valueUri: property },
          {
            name: 'concept',
            valueCoding: {
              ...(system === undefined ? {} : { system }),
              code: value,
              ...(display === undefined ? {} : { display }),
            },
          },
        ],
      })),
      valued('source', 'Uri', source),
    ].filter(part => part !== undefined),
  };
}

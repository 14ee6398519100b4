// Profiles that R4 itself demands: an Observation with one of these LOINC codes must be the vital sign it names.
// https://hl7.org/fhir/R4/observation-vitalsigns.html
import { structureDefinition } from '../fhir/definitions.js';
import { isObject, type JsonObject } from '../fhir/json.js';

const loinc = 'http://loinc.org';
const profiles = [
  'vitalspanel',
  'resprate',
  'heartrate',
  'oxygensat',
  'bodytemp',
  'bodyheight',
  'headcircum',
  'bodyweight',
  'bmi',
  'bp',
];
/** Also of oxygen saturation, by the page's table. */
const pulseOximetry = '59408-5';

let byCode: ReadonlyMap<string, string> | undefined;

/** LOINC code to profile, from what each profile fixes as its code. */
function profileOf(code: string): string | undefined {
  byCode ??= new Map(
    profiles.flatMap(id => {
      const definition = structureDefinition(id);
      const fixed = definition?.snapshot.element.filter(
        ({ path, fixedCode }) => path === 'Observation.code.coding.code' && typeof fixedCode === 'string',
      );
      const codes = (fixed ?? []).map(({ fixedCode }) => fixedCode as string);
      if (id === 'oxygensat') codes.push(pulseOximetry);
      return definition === undefined ? [] : codes.map(one => [one, definition.url] as const);
    }),
  );
  return byCode.get(code);
}

export function vitalSignProfiles(observation: JsonObject): readonly string[] {
  const { code } = observation;
  const codings = isObject(code ?? null) ? (code as JsonObject)['coding'] : undefined;
  if (!Array.isArray(codings)) return [];
  return codings.flatMap(one => {
    if (!isObject(one) || one['system'] !== loinc || typeof one['code'] !== 'string') return [];
    return profileOf(one['code']) ?? [];
  });
}

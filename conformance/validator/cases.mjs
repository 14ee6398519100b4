// The official validator cases: what is judged, by which definitions, and what the Java validator said.
// https://github.com/FHIR/fhir-test-cases
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseJson } from '../../dist/fhir/json.js';
import { parseXml } from '../../dist/fhir/xml-read.js';

export const folder = fileURLToPath(
  new URL('../../../shared/data/fhir-test-cases/validator/', import.meta.url),
);
/** Parses a file of the kit; throws what the parser throws. */
export const parse = name => {
  const bytes = readFileSync(folder + name);
  return name.endsWith('.xml') ? parseXml(bytes) : parseJson(bytes);
};

const known = new Map();
/** A definition or other material beside a case; undefined where it is absent or unreadable. */
export function material(name) {
  if (!known.has(name)) {
    let resource;
    try {
      resource = existsSync(folder + name) ? parse(name) : undefined;
    } catch {
      resource = undefined;
    }
    known.set(name, resource);
  }
  return known.get(name);
}

const outcomeIn = found => {
  const whole =
    typeof found === 'string' ? JSON.parse(readFileSync(`${folder}outcomes/${found}`, 'utf8')) : found;
  return whole.outcome ?? whole;
};

const wrong = issue => issue.severity === 'error' || issue.severity === 'fatal';

/** What Java found, or undefined where nothing was recorded. */
function expected(found) {
  if (found === undefined || (typeof found === 'string' && !existsSync(`${folder}outcomes/${found}`)))
    return undefined;
  const issues = outcomeIn(found).issue ?? [];
  return { issues, errors: issues.filter(wrong) };
}

/** Every judgement of the kit: each case by its base, and by its profile where it has one. */
export function judgements() {
  const { 'test-cases': cases } = JSON.parse(readFileSync(`${folder}manifest.json`, 'utf8'));
  return cases.flatMap(one => {
    const beside = [...(one.supporting ?? []), ...(one.profiles ?? [])];
    const base = expected(one.java);
    const found = base === undefined ? [] : [{ ...one, kind: 'base', expected: base, beside }];
    const byProfile = one.profile && expected(one.profile.java);
    if (byProfile) {
      const all = [...beside, ...(one.profile.supporting ?? [])];
      found.push({
        ...one,
        ...one.profile,
        name: one.name,
        kind: 'profile',
        expected: byProfile,
        beside: all,
        source: one.profile.source,
      });
    }
    return found;
  });
}

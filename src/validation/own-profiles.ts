// The project's own profiles: in profiles/tsela as differentials, known to every server, demanded where configuration
// says so (TSELA_PROFILES=tsela). https://hl7.org/fhir/R4/profiling.html
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Structure } from './structure.js';

const folder = fileURLToPath(new URL('../../profiles/tsela/', import.meta.url));
const base = 'http://tsela.example/StructureDefinition/';

/** By type, the name of the file. */
const files = {
  Patient: 'patient',
  DiagnosticReport: 'laboratory-report',
  Appointment: 'appointment',
} as const;
const read = new Map<string, Structure>();

/** By `url` or `url|version`. */
export function ownProfile(canonical: string): Structure | undefined {
  if (!canonical.startsWith(base)) return undefined;
  if (read.size === 0)
    for (const file of Object.values(files)) {
      const profile = JSON.parse(readFileSync(`${folder}${file}.json`, 'utf8')) as Structure;
      read.set(profile.url, profile);
      read.set(`${profile.url}|${profile.version ?? ''}`, profile);
    }
  return read.get(canonical);
}

/** What `tsela` among the configured profiles stands for; `given` otherwise as it is. */
export function withOwn(
  given: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  if (!given.has('tsela')) return given;
  const found = new Map(given);
  found.delete('tsela');
  for (const [type, file] of Object.entries(files))
    found.set(type, [...(found.get(type) ?? []), `${base}tsela-${file}`]);
  return found;
}

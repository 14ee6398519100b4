// US Core's search parameters, of two releases: those that R4 does not have already are used, and find what its own
// examples hold. http://hl7.org/fhir/us/core/
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { onEveryStore, type Answer } from '../system.js';
import { idsOf, settled, type Json } from '../operations/custom-parameter.js';
import { filesIn } from './package-files.js';

const folder = new URL('../../../shared/data/us-core/', import.meta.url);
const present = existsSync(folder);

/** Codes that R4 does not have, by release. */
const codes: Readonly<Record<string, readonly string[]>> = {
  '311': ['Patient.ethnicity', 'Patient.race'],
  '610': [
    'CareTeam.role',
    'Condition.asserted-date',
    'Encounter.discharge-disposition',
    'Goal.description',
    'Patient.ethnicity',
    'Patient.gender-identity',
    'Patient.race',
  ],
};

describe.skipIf(!present)(`US Core${present ? '' : ' (skipped: ../shared/data/us-core is absent)'}`, () => {
  for (const [release, own] of Object.entries(codes)) {
    onEveryStore(`${release}: a search parameter`, {}, tsela => {
      const examples: Json[] = [];
      const urls: string[] = [];
      const reindex = (...some: string[]): Promise<Answer> =>
        tsela().send('POST', '$reindex', {
          resourceType: 'Parameters',
          parameter: some.map(url => ({ name: 'url', valueUri: url })),
        });
      beforeAll(async () => {
        tsela().system.work();
        for (const { name, text } of filesIn(readFileSync(new URL(`us-core-${release}.tgz`, folder)))) {
          const isParameter = name.startsWith('package/SearchParameter-');
          if (!isParameter && !/example\/(Patient|Condition|Encounter|Goal|CareTeam)-/.test(name)) continue;
          const resource = JSON.parse(text) as Json & { id: string; resourceType: string; url: string };
          const { status } = await tsela().send('PUT', `${resource.resourceType}/${resource.id}`, resource);
          if (status >= 300) continue; // two examples break R4
          if (isParameter) urls.push(resource.url);
          else examples.push(resource);
        }
      });

      test('is refused where R4 has it already, naming it', async () => {
        expect(urls.length).toBeGreaterThan(70);
        const used: string[] = [];
        for (const url of urls) {
          const answer = await reindex(url);
          if (answer.status === 202) {
            await settled(tsela(), answer);
            used.push(url);
            continue;
          }
          expect([url, answer.status]).toEqual([url, 422]);
          expect(answer.text).toMatch(
            /has a search parameter .* already: http:..hl7.org.fhir.SearchParameter/,
          );
        }
        const inUse = tsela().system.parameters.inUse();
        expect(inUse.map(({ definition }) => `${definition.base.join()}.${definition.code}`).sort()).toEqual(
          own,
        );
        expect(used).toHaveLength(own.length);
      });

      test('finds what the examples hold', async () => {
        const holding = (code: string): string[] =>
          examples.filter(one => one['resourceType'] === 'Patient' && JSON.stringify(one['extension'] ?? []).includes(`"code":"${code}"`)).map(one => String(one['id'])); // prettier-ignore
        const found = async (query: string): Promise<string[]> => idsOf(await tsela().send('GET', query));
        for (const code of ['2106-3', '2028-9', '1002-5', '2036-2']) {
          expect(holding(code).length).toBeGreaterThan(0);
          expect((await found(`Patient?race=${code}`)).sort(), code).toEqual(holding(code).sort());
        }
        expect(await found('Patient?race=0000-0')).toEqual([]);
        expect((await found('Patient?ethnicity=2135-2')).sort()).toEqual(holding('2135-2').sort());
        expect(await found('Patient?race=2106-3&ethnicity=2135-2')).toContain('example');
        if (release === '311') return;
        expect(await found('Patient?gender-identity=UNK')).toContain('example');
        const asserted = examples.filter(one => JSON.stringify(one).includes('condition-assertedDate'));
        expect(asserted.length).toBeGreaterThan(0);
        expect(await found('Condition?asserted-date:missing=false')).toHaveLength(asserted.length);
        expect(await found('Condition?asserted-date=lt1990')).toEqual([]);
        expect(await found('Encounter?discharge-disposition:missing=false')).toEqual(
          examples
            .filter(one => JSON.stringify(one).includes('"dischargeDisposition"'))
            .map(one => one['id']),
        );
        expect((await found('CareTeam?role:missing=false')).length).toBeGreaterThan(0);
        expect((await found('Goal?_sort=description&description:missing=false')).length).toBeGreaterThan(0);
      });
    });
  }
});

// The specification by cases, through every engine: three answers must agree. https://hl7.org/fhir/R4/search.html
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { include } from '../../src/search/include.js';
import { refKey } from '../../src/fhir/resource.js';
import type { SearchPlan } from '../../src/search/plan.js';
import { bases, caseFiles, named, requestOf, writesOf } from './cases.js';
import { engines } from './engines.js';
import type { Engine } from './memory.js';

/** All ids of a plan, page by page. */
async function walk(engine: Engine, plan: SearchPlan): Promise<string[]> {
  const found: string[] = [];
  for (let next: SearchPlan | undefined = plan; next !== undefined;) {
    const page = await engine.search(next);
    found.push(...page.versions.map(version => named(version.ref, plan.types)));
    next = page.next === undefined ? undefined : { ...next, after: page.next };
  }
  return found;
}

for (const { name, skip, open } of engines) {
  describe.skipIf(skip !== undefined)(skip === undefined ? name : `${name} (${skip})`, () => {
    for (const file of caseFiles) {
      describe(`${file.name} ${file.section}`, () => {
        let engine: Engine;
        beforeAll(async () => {
          engine = await open();
          await engine.commit(writesOf(file));
        });
        afterAll(() => engine.close());

        for (const one of file.cases) {
          it(one.query + (one.because === undefined ? '' : ` because ${one.because}`), async () => {
            if (one.refused !== undefined) {
              expect(() => requestOf(one, file)).toThrowError(one.refused);
              return;
            }
            const request = requestOf(one, file);
            const { plan } = request;
            if (one.ignored !== undefined)
              expect(request.ignored.map(issue => issue.text).join()).toContain(one.ignored);
            else expect(request.ignored).toEqual([]);
            if (one.finds !== undefined) {
              const found = await walk(engine, plan);
              const inOrder = plan.sort.length > 0;
              expect(inOrder ? found : found.toSorted()).toEqual(inOrder ? one.finds : one.finds.toSorted());
              expect(await walk(engine, { ...plan, count: 2 }), 'page by page').toEqual(found);
              expect(await engine.count(plan), 'count').toBe(found.length);
            }
            if (one.includes !== undefined) {
              const page = await engine.search(plan);
              const included = await include(engine, page.versions, request.includes, { bases });
              expect(included.map(version => refKey(version.ref)).toSorted()).toEqual(
                one.includes.toSorted(),
              );
            }
            if (one.total !== undefined) {
              expect(plan.total).toBe('accurate');
              expect(await engine.count(plan)).toBe(one.total);
            }
          });
        }
      });
    }
  });
}

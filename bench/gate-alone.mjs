// Parse, gate, references, stamp and index rows of the same resources, one after another on one core.
import { answering } from './children.mjs';
import { parseJson } from '../dist/fhir/json.js';
import { checkReferences } from '../dist/fhir/reference.js';
import { stamp } from '../dist/fhir/stamp.js';
import { indexRows } from '../dist/search/index-rows.js';
import { checkGate } from '../dist/validation/gate.js';
import { rulesFor } from '../dist/validation/rules.js';
import { checkWriteInvariants } from '../dist/validation/write-invariants.js';
import { narrativeProblems } from '../dist/fhir/xhtml.js';

let texts = [];
let bytes = [];
let bundles = [];

const perSecond = (many, work) => {
  const started = performance.now();
  work();
  return (many / (performance.now() - started)) * 1000;
};

const around = { holders: [], find: () => undefined, holds: () => 'unknown' };
const judgeByRules = resource => {
  for (const rule of rulesFor(resource.resourceType)) rule(resource, resource.resourceType, () => {}, around);
};

/** Synthea's narratives are short; a table of 8 MB in their manner. */
const row =
  '<tr class="r"><td>Body weight</td><td><b>72.4</b> kg</td><td><a href="#o">2026-01-02</a></td></tr>';
const narratives = `<div xmlns="http://www.w3.org/1999/xhtml"><table><tbody>${row.repeat(80_000)}</tbody></table></div>`;

answering({
  take(resources, posted) {
    texts = resources;
    bytes = resources.map(text => Buffer.from(text));
    bundles = posted.map(each => Buffer.from(each));
  },
  round() {
    const many = texts.length;
    const megabytes = bundles.reduce((sum, each) => sum + each.length, 0) / 1e6;
    const parsed = texts.map(text => parseJson(text));
    let rows = 0;
    const extract = perSecond(many, () => {
      for (const resource of parsed) rows += indexRows(resource, { bases: [], zone: 'UTC' }).length;
    });
    return {
      jsonParse: perSecond(many, () => texts.forEach(text => JSON.parse(text))),
      parse: perSecond(many, () => bytes.forEach(each => parseJson(each))),
      gate: perSecond(many, () => parsed.forEach(resource => checkGate(resource))),
      invariants: perSecond(many, () =>
        parsed.forEach(resource => {
          checkGate(resource);
          checkWriteInvariants(resource);
        }),
      ),
      rules: perSecond(many, () => parsed.forEach(judgeByRules)),
      narrative: perSecond(narratives.length / 1e6, () => narrativeProblems(narratives)),
      'parse-gate': perSecond(many, () => bytes.forEach(each => checkGate(parseJson(each)))),
      references: perSecond(many, () => parsed.forEach(resource => checkReferences(resource))),
      stamp: perSecond(many, () =>
        parsed.forEach(resource => stamp(resource, { id: 'x', version: 1, lastUpdated: 0 })),
      ),
      extract,
      rows: (extract * rows) / many,
      'parse-bundle': perSecond(megabytes, () => bundles.forEach(each => parseJson(each))),
      'jsonParse-bundle': perSecond(megabytes, () => bundles.forEach(each => JSON.parse(each))),
    };
  },
});

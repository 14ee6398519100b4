// R4's own value sets and HL7's example concept maps: what is listed is held, and what a map says is what is translated.
import { describe, expect, it } from 'vitest';
import { valueSet, valueSetUrls, type ConceptMapDefinition } from '../../src/fhir/definitions.js';
import { coreCatalog } from '../../src/terminology/catalog.js';
import { listed, NotExpandable, type Member } from '../../src/terminology/expand.js';
import { isMember } from '../../src/terminology/membership.js';
import { translate } from '../../src/terminology/translate.js';
import { filesOfPackage, shared } from '../fhir/package.js';

const catalog = coreCatalog;
const most = 200;

it('a value set holds what it lists, and nothing else of its systems', () => {
  let compared = 0;
  const wrong: string[] = [];
  for (const url of valueSetUrls()) {
    const set = valueSet(url)!;
    const members: Member[] = [];
    try {
      for (const member of listed(set, { catalog })) {
        if (members.push(member) > most) break;
      }
    } catch (error) {
      if (error instanceof NotExpandable) continue;
      throw error;
    }
    const codes = new Set(members.map(({ system, code }) => `${system}|${code}`));
    for (const { system, code } of members)
      if (isMember(catalog, set, { system, code }).is !== true) wrong.push(`${url} lists ${system}|${code}`);
    for (const system of new Set(members.map(member => member.system))) {
      if (isMember(catalog, set, { system, code: 'no such code' }).is !== false)
        wrong.push(`${url} holds all`);
      const concepts = catalog.codeSystem(system)?.concepts;
      if (concepts === undefined || members.length > most || concepts.size > most) continue;
      for (let i = 0; i < concepts.size; i++) {
        const code = concepts.code(i);
        const held = isMember(catalog, set, { system, code }).is;
        if (held !== codes.has(`${system}|${code}`))
          wrong.push(`${url} says ${String(held)} of ${system}|${code}`);
        compared++;
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(compared).toBeGreaterThan(10_000);
});

const examples = shared('hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz');
describe.skipIf(!examples.present)(`example concept maps${examples.note}`, () => {
  it('translate there and back', () => {
    let count = 0;
    for (const [name, text] of filesOfPackage(examples.url)) {
      if (!name.startsWith('ConceptMap-')) continue;
      const map = JSON.parse(text) as ConceptMapDefinition;
      for (const { source, target: to, element } of map.group ?? [])
        for (const { code, target = [] } of element)
          for (const { code: other, dependsOn = [] } of target) {
            if (code === undefined || other === undefined) continue;
            const dependencies = dependsOn.map(({ property, system, value }) => {
              return { property, values: [{ system, code: value }] };
            });
            const there = translate(map, { system: source, code }, { catalog, reverse: false, dependencies });
            expect(
              there.map(one => one.concept?.code),
              `${name} ${code}`,
            ).toContain(other);
            const back = translate(
              map,
              { system: to, code: other },
              { catalog, reverse: true, dependencies },
            );
            expect(
              back.map(one => one.concept?.code),
              `${name} ${other}`,
            ).toContain(code);
            count++;
          }
    }
    expect(count).toBeGreaterThan(500);
  });
});

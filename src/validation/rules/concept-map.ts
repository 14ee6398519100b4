// Concept maps: what they map from and to is in the value sets they name. https://hl7.org/fhir/R4/conceptmap.html
import type { ResourceRule } from '../finding.js';
import { choiceIn } from './answers.js';
import { objectsIn, textIn } from './reading.js';
import { systemOf } from './value-set.js';

export const conceptMap: ResourceRule = (resource, path, report, around) => {
  const say = (expression: string, system: string, text: string): void => {
    // Of a system that is not here whole, other versions may have more codes; a draft may be ahead of its value sets.
    const isWhole = systemOf(system, around)?.['content'] === 'complete';
    const severity = isWhole && resource['status'] !== 'draft' ? 'error' : 'warning';
    report({ severity, code: 'code-invalid', expression, text, rule: 'concept-map-code' });
  };
  const [source, target] = ['source', 'target'].map(side => {
    const value = choiceIn(resource, side)?.value;
    return typeof value === 'string' && /^[a-z]+:/.test(value) ? value : undefined;
  });
  const outside = (set: string | undefined, system: string | undefined, code: string | undefined): boolean =>
    set !== undefined &&
    system !== undefined &&
    code !== undefined &&
    around.holds(set, system, code) === false;
  objectsIn(resource, 'group').forEach((group, g) => {
    objectsIn(group, 'element').forEach((element, e) => {
      const place = `${path}.group[${g}].element[${e}]`;
      const code = textIn(element, 'code');
      if (outside(source, textIn(group, 'source'), code))
        say(
          `${place}.code`,
          textIn(group, 'source')!,
          `The code "${code!.slice(0, 80)}" is not in the value set ${source!} that is mapped from.`,
        );
      objectsIn(element, 'target').forEach((one, t) => {
        const to = textIn(one, 'code');
        if (outside(target, textIn(group, 'target'), to))
          say(
            `${place}.target[${t}].code`,
            textIn(group, 'target')!,
            `The code "${to!.slice(0, 80)}" is not in the value set ${target!} that is mapped to.`,
          );
      });
    });
  });
};

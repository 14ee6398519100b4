// Every constraint of R4, on HL7's examples, by the engine and by fhirpath.js: they agree but for what is listed.
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { resourceTypes, structureDefinition } from '../../../src/fhir/definitions.js';
import { compileExpression } from '../../../src/fhir/fhirpath/engine.js';
import { FhirPathError } from '../../../src/fhir/fhirpath/fhirpath-error.js';
import type { JsonObject } from '../../../src/fhir/json.js';
import { filesOfPackage, shared } from '../package.js';

const examples = shared('hl7/hl7.fhir.r4.examples-4.0.1-two-thirds.tgz');

/** Where fhirpath.js has another opinion, by key of the constraint, and why it is not followed. */
const traps: Readonly<Record<string, string>> = {
  'eld-16': 'refuses escapes in regular expressions that FHIR uses',
  'eld-19': 'refuses escapes in regular expressions that FHIR uses',
  'eld-20': 'refuses escapes in regular expressions that FHIR uses',
  'ctm-1': 'resolve() is asynchronous only',
  'txt-1': 'htmlChecks() is not judged',
  'txt-2': 'htmlChecks() is not judged',
};

interface Engine {
  compile(
    expression: string,
    model: unknown,
    options: object,
  ): (value: unknown, variables: object) => unknown[];
}

describe.skipIf(!examples.present)(`the engine beside fhirpath.js${examples.note}`, () => {
  it('judges constraints alike', () => {
    const require = createRequire(import.meta.url);
    const theirs = require('fhirpath') as Engine;
    const model: unknown = require('fhirpath/fhir-context/r4');
    const compiled = new Map<
      string,
      readonly { key: string; ours: (r: JsonObject) => string; theirs: (r: JsonObject) => string }[]
    >();
    const checksOf = (type: string) =>
      (structureDefinition(type)?.snapshot.element ?? []).flatMap(({ path, constraint = [] }) =>
        constraint.flatMap(({ key, expression }) => {
          // Those on every element are the same everywhere; dom-3 goes through all descendants several times.
          if (expression === undefined || ['ele-1', 'ext-1', 'dom-3'].includes(key)) return [];
          const whole = `${path.replaceAll('[x]', '')}.select((${expression}) = true)`;
          const mine = compileExpression(whole);
          let other: ReturnType<Engine['compile']> | undefined;
          return [
            {
              key,
              ours: (resource: JsonObject) =>
                attempt(() =>
                  mine.run(
                    { value: resource, resource, rootResource: resource },
                    { resolve: () => undefined },
                  ),
                ),
              theirs: (resource: JsonObject) =>
                attempt(() => {
                  other ??= theirs.compile(whole, model, { traceFn: () => undefined });
                  return other(resource, { resource, rootResource: resource });
                }),
            },
          ];
        }),
      );
    const attempt = (run: () => readonly unknown[]): string => {
      try {
        return run().join();
      } catch (error) {
        return error instanceof FhirPathError || error instanceof Error ? 'fails' : String(error);
      }
    };
    const apart = new Map<string, string>();
    let judged = 0;
    let seen = 0;
    for (const [name, text] of filesOfPackage(examples.url)) {
      const resource = JSON.parse(text) as JsonObject;
      const type = String(resource['resourceType']);
      // Definitions are many and large: a few of them tell as much.
      if (!resourceTypes().has(type) || text.length > 60_000 || seen++ % 4 !== 0) continue;
      let checks = compiled.get(type);
      if (checks === undefined) compiled.set(type, (checks = checksOf(type)));
      for (const check of checks) {
        const [a, b] = [check.ours(resource), check.theirs(resource)];
        if (a.includes('true')) judged++;
        if (a !== b && traps[check.key] === undefined) apart.set(check.key, `${name}: ${a} beside ${b}`);
      }
    }
    expect(Object.fromEntries(apart)).toEqual({});
    expect(judged).toBeGreaterThan(5000);
  });
});

// Constraints of definitions and profiles, also of profiles that somebody wrote to do harm.
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/fhir/json.js';
import type { Finding } from '../../src/validation/finding.js';
import {
  compileInvariants,
  expressionProblem,
  type InvariantPorts,
} from '../../src/validation/invariants.js';

const patient: JsonObject = {
  resourceType: 'Patient',
  name: [{ family: 'Moloi', given: ['Lerato', 'Palesa'] }],
  managingOrganization: { reference: 'Organization/1' },
  contained: [{ resourceType: 'Organization', id: 'o', name: 'Clinic' }],
};
const judge = (expression: string, ports: InvariantPorts = {}, resource = patient): Finding[] => {
  const found: Finding[] = [];
  const check = compileInvariants(
    [{ key: 'x-1', severity: 'error', human: 'What must be so.', expression }],
    'http://e.x/p',
  );
  const type = String(resource['resourceType']);
  check({ value: resource, type, resource, rootResource: resource, path: type }, ports, finding =>
    found.push(finding),
  );
  return found;
};

describe('a constraint', () => {
  it('must be true', () => {
    expect(judge("name.family = 'Moloi'")).toEqual([]);
    expect(judge("name.family = 'Other'")).toEqual([
      {
        severity: 'error',
        code: 'invariant',
        expression: 'Patient',
        rule: 'x-1',
        profile: 'http://e.x/p',
        text: "x-1: What must be so. [name.family = 'Other']",
      },
    ]);
  });
  it('fails where it is empty', () => {
    expect(judge('birthDate > @2000-01-01').map(({ severity }) => severity)).toEqual(['error']);
  });
  it.each(['name.given.single() = 1', 'name.nothing(', 'name.foo()', 'name is Nothing', "'a' > 1"])(
    'warns where it cannot be judged: %s',
    expression => {
      expect(judge(expression)).toMatchObject([{ severity: 'warning', code: 'exception', rule: 'x-1' }]);
    },
  );
  it('asks its ports, and fails on nothing they do not know', () => {
    const member = "name.family.memberOf('http://e.x/vs')";
    expect(judge(member, { memberOf: value => value === 'Moloi' })).toEqual([]);
    expect(judge(member, { memberOf: () => false })).toHaveLength(1);
    expect(judge(member, { memberOf: () => undefined })).toEqual([]);
    expect(judge(member)).toEqual([]);
    const resolved = 'managingOrganization.resolve().name.exists()';
    expect(judge(resolved, { resolve: () => ({ resourceType: 'Organization', name: 'x' }) })).toEqual([]);
    expect(judge(resolved, { resolve: () => undefined })).toHaveLength(1);
    expect(judge(resolved)).toEqual([]);
    expect(judge("conformsTo('http://e.x/q')", { conformsTo: () => false })).toHaveLength(1);
    expect(judge("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')")).toEqual([]);
  });
  it('sees the resource, its container and what is contained', () => {
    const found: Finding[] = [];
    const check = compileInvariants([
      {
        key: 'a',
        severity: 'error',
        human: '',
        expression: "%resource.name = 'Clinic' and %rootResource.name.family = 'Moloi'",
      },
      { key: 'b', severity: 'error', human: '', expression: "%context.name = name and '#o' = '#' & id" },
    ]);
    const resource = (patient['contained'] as JsonObject[])[0]!;
    check({ value: resource, type: 'Organization', resource, rootResource: patient, path: 'x' }, {}, one =>
      found.push(one),
    );
    expect(found).toEqual([]);
  });
  it('stands on elements of every kind', () => {
    const on = (
      type: string,
      value: JsonObject | string | undefined,
      expression: string,
      extra?: JsonObject,
    ): number => {
      const found: Finding[] = [];
      const check = compileInvariants([{ key: 'a', severity: 'error', human: '', expression }]);
      check({ value, extra, type, resource: patient, rootResource: patient, path: type }, {}, one =>
        found.push(one),
      );
      return found.length;
    };
    expect(on('Patient.contact', { name: { text: 'x' } }, 'name.text.exists() and telecom.empty()')).toBe(0);
    expect(on('code', 'x', "hasValue() and $this = 'x'")).toBe(0);
    expect(
      on('date', undefined, "hasValue().not() and extension('u').value = 'y'", {
        extension: [{ url: 'u', valueCode: 'y' }],
      }),
    ).toBe(0);
  });
});

describe('an expression written to do harm', () => {
  const many = { ...patient, name: Array.from({ length: 3000 }, (_, i) => ({ given: [`a${i}`, `b${i}`] })) };
  const harmful = [
    'repeat(name | name.given | $this).exists()',
    'name.select($this | %resource.name.select($this | %resource.name.given)).count() > 0',
    'name.aggregate($total | $total | %resource.descendants(), {}).exists()',
    "name.aggregate($total & $total, 'aaaaaaaaaa').length() > 0",
    "name.given.aggregate($total + $total, 'aaaaaaaa').length() > 0",
    'name.aggregate($total.combine($total), 1).count() > 0',
    'name.all(%resource.name.all(%resource.name.all(given.count() = 2)))',
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')",
    'name.aggregate($total * 99999999999999999999.9, 9.9).exists()',
    "'a'.replace('', 'aaaaaaaaaaaaaaaaaaaa').replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa').length() > 0",
    '('.repeat(5000) + '1' + ')'.repeat(5000),
    'name' + '.first()'.repeat(3000) + '.exists()',
    '-'.repeat(5000) + '1 = 1',
    '1' + ' + 1'.repeat(20_000) + ' > 0',
    "'" + 'a'.repeat(60_000) + "' = 'a'",
  ];
  it.each(harmful.map(each => [each.slice(0, 60), each]))('ends: %s', (_, expression) => {
    const findings = judge(expression, {}, many);
    expect(findings.every(({ text }) => text.length < 1000)).toBe(true);
    // and the next one is judged as ever
    expect(judge("name.family = 'Moloi'")).toEqual([]);
  });
});

describe('constraints of one validation', () => {
  it('share what they may do', () => {
    const allowance = { steps: 5000 };
    const costly = '%resource.descendants().all($this.exists())';
    const told = Array.from({ length: 400 }, () =>
      judge(costly, { allowance })
        .map(({ severity }) => severity)
        .join(),
    );
    expect(told[0]).toBe('');
    expect(told.at(-1)).toBe('warning');
  });
});

describe('expressionProblem', () => {
  it('sees names that a type does not have', () => {
    expect(expressionProblem('name.given.exists()', 'Patient')).toBeUndefined();
    expect(expressionProblem('name.gven.exists()', 'Patient')).toContain('gven');
    expect(expressionProblem('gender.exists()', 'Patient.contact')).toBeUndefined();
    expect(expressionProblem('valueQuantity.exists()', 'Observation')).toContain('valueQuantity');
    expect(expressionProblem('contained.foo.exists()', 'Patient')).toBeUndefined();
    expect(expressionProblem('name.', 'Patient')).toContain('cannot be read');
  });
});

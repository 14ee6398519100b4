// Judges every official case and compares with the recorded outcomes of the Java validator.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { folder, judgements, material, parse } from './cases.mjs';
import { compare } from './locations.mjs';
import { validatorFor } from './validator.mjs';

/** Ours of one judgement: findings, of which a failure to read the case is one. */
function judge(one) {
  let resource;
  try {
    resource = parse(one.file);
  } catch (error) {
    return [{ severity: 'error', code: 'invalid', expression: '', text: error.message, rule: 'parse' }];
  }
  return validatorFor(one)(resource);
}

export async function run(args) {
  const only = args.find(arg => arg.startsWith('--only='))?.slice(7);
  const results = [];
  for (const one of judgements()) {
    if (only !== undefined && !one.name.startsWith(only)) continue;
    const started = performance.now();
    const findings = judge(one);
    const errors = findings.filter(({ severity }) => severity === 'error');
    results.push({
      one,
      errors,
      findings,
      ms: performance.now() - started,
      agrees: errors.length > 0 === one.expected.errors.length > 0,
      places: compare(one.expected.errors, errors),
    });
  }
  if (only !== undefined || args.includes('--list')) {
    for (const { one, errors, agrees } of results) {
      if (only === undefined && agrees) continue;
      console.log(`${agrees ? 'agrees' : 'DIFFERS'} ${one.name} (${one.kind}) ${one.file} [${one.module}]`);
      for (const issue of one.expected.errors)
        console.log(`   Java: ${issue.expression} ${issue.details?.text?.slice(0, 260)}`);
      for (const found of errors)
        console.log(`   ours: ${found.expression} ${found.rule} ${found.text.slice(0, 200)}`);
    }
  }
  const slow = results.filter(({ ms }) => ms > 1000);
  for (const { one, ms } of slow) console.log(`slow: ${one.name} ${ms.toFixed()} ms`);
  const agreeing = results.filter(({ agrees }) => agrees);
  const strict = results.filter(({ agrees, errors }) => !agrees && errors.length > 0);
  const places = results.flatMap(({ places }) => places);
  const share = (part, whole) => ((100 * part) / (whole || 1)).toFixed(1);
  const near = places.filter(place => place !== 'elsewhere');
  const byModule = new Map();
  for (const { one, agrees } of results) {
    const entry = byModule.get(one.module ?? 'other') ?? [0, 0];
    byModule.set(one.module ?? 'other', [entry[0] + (agrees ? 1 : 0), entry[1] + 1]);
  }
  console.log([...byModule].map(([name, [a, n]]) => `${name} ${a}/${n}`).join(', '));
  console.log(
    `judgements ${results.length}, over-strict ${strict.length} = ${share(strict.length, results.length)} %`,
  );
  console.log(
    `locations of ${places.length}: exact ${share(places.filter(place => place === 'exact').length, places.length)} %, exact or one level off ${share(near.length, places.length)} %`,
  );
  console.log(`agreement ${share(agreeing.length, results.length)} %`);
}
export { folder, material, writeFileSync, fileURLToPath };

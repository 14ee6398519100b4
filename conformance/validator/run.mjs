// Judges every official case and compares with the recorded outcomes of the Java validator.
import { judgements, parse } from './cases.mjs';
import { compare, placedErrors } from './locations.mjs';
import { byModule, numbers, writeReport } from './report.mjs';
import { validatorFor } from './validator.mjs';

/** Ours of one judgement: findings, of which a failure to read the case is one. */
function judge(one) {
  let resource;
  try {
    resource = parse(one.file);
  } catch (error) {
    const { message, expression = '', issues = [{ text: message, expression }] } = error;
    return issues.map(issue => ({
      severity: 'error',
      code: 'invalid',
      expression: issue.expression ?? '',
      text: issue.text,
      rule: 'parse',
    }));
  }
  return validatorFor(one)(resource);
}

function list({ one, errors, agrees }) {
  console.log(`${agrees ? 'agrees' : 'DIFFERS'} ${one.name} (${one.kind}) ${one.file} [${one.module}]`);
  for (const issue of one.expected.errors)
    console.log(`   Java: ${issue.expression} ${issue.details?.text?.slice(0, 260)}`);
  for (const { expression, rule, text } of errors)
    console.log(`   ours: ${expression} ${rule} ${text.slice(0, 200)}`);
}

function listPlaces({ one, errors, places }) {
  const theirs = placedErrors(one.expected.errors);
  for (const [i, place] of places.entries()) {
    if (place !== 'elsewhere') continue;
    const ours = errors.map(({ expression }) => expression).slice(0, 4);
    const { expression, details } = theirs[i];
    console.log(
      `${one.name} (${one.kind}): Java ${expression[0]} ${details.text.slice(0, 100)} | ours ${ours.join(' ')}`,
    );
  }
}

export async function run(args) {
  const only = args.find(arg => arg.startsWith('--only='))?.slice(7);
  const results = [];
  for (const one of judgements()) {
    if (only !== undefined && !one.name.startsWith(only)) continue;
    const errors = judge(one).filter(({ severity }) => severity === 'error');
    const agrees = errors.length > 0 === one.expected.errors.length > 0;
    // What cannot be read has one fault, where theirs went on reading.
    const isRead = !errors.some(({ rule }) => rule === 'parse');
    const places = isRead ? compare(one.expected.errors, errors) : [];
    results.push({ one, errors, agrees, places });
  }
  for (const result of results) {
    if (only !== undefined || (args.includes('--list') && !result.agrees)) list(result);
    if (args.includes('--places')) listPlaces(result);
  }
  if (args.length === 0) writeReport(results);
  const found = numbers(results);
  console.log([...byModule(results)].map(([name, [a, n]]) => `${name} ${a}/${n}`).join(', '));
  console.log(`judgements ${found.judgements}, over-strict ${found.strict}`);
  console.log(`places, each error alike: ${found.errors}`);
  console.log(`places, each case alike: ${found.cases}`);
  console.log(`agreement ${found.agreement}`);
}

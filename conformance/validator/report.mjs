// The dated report of a run: numbers, and every disagreement with its reason.
import { readFileSync, writeFileSync } from 'node:fs';

const reasons = JSON.parse(readFileSync(new URL('reasons.json', import.meta.url), 'utf8'));
const share = (part, whole) => `${((100 * part) / (whole || 1)).toFixed(1)} %`;
const cell = text => text.replaceAll('|', '\\|').replaceAll('\n', ' ').slice(0, 160);

export function numbers(results) {
  const agreeing = results.filter(({ agrees }) => agrees).length;
  const strict = results.filter(({ agrees, errors }) => !agrees && errors.length > 0).length;
  const places = results.flatMap(({ places: some }) => some);
  const exact = places.filter(place => place === 'exact').length;
  const near = places.filter(place => place !== 'elsewhere').length;
  // One case may hold a hundred errors: its share counts as much as that of a case with one.
  const shares = results.filter(({ places: some }) => some.length > 0);
  const mean = kinds =>
    shares.reduce((sum, { places: some }) => sum + some.filter(kinds).length / some.length, 0) /
    (shares.length || 1);
  return {
    judgements: results.length,
    agreement: share(agreeing, results.length),
    strict: `${strict} = ${share(strict, results.length)}`,
    lenient: results.length - agreeing - strict,
    errors: `exact ${share(exact, places.length)}, exact or one level off ${share(near, places.length)} of ${places.length}`,
    cases: `exact ${share(
      mean(place => place === 'exact'),
      1,
    )}, exact or one level off ${share(
      mean(place => place !== 'elsewhere'),
      1,
    )}`,
  };
}

export function byModule(results) {
  const found = new Map();
  for (const { one, agrees } of results) {
    const name = one.module ?? 'other';
    const [a, n] = found.get(name) ?? [0, 0];
    found.set(name, [a + (agrees ? 1 : 0), n + 1]);
  }
  return found;
}

export function writeReport(results) {
  const found = numbers(results);
  const lines = [
    '# Official validator cases',
    '',
    `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}; made by \`npm run conformance -- validator\`. The cases are`,
    'the R4 entries of the FHIR test cases, each judged by its base and, where it has one, by its profile; the',
    "yardstick is the recorded outcome of HL7's Java validator.",
    '',
    '| | |',
    '|---|---|',
    `| judgements | ${found.judgements} |`,
    `| agreement on "has errors" | ${found.agreement} |`,
    `| we see errors, Java does not | ${found.strict} |`,
    `| Java sees errors, we do not | ${found.lenient} |`,
    `| places of Java's errors where both could read the case, each case alike | ${found.cases} |`,
    `| places of Java's errors, each error alike | ${found.errors} |`,
    '',
    '| module | agree | of |',
    '|---|---|---|',
    ...[...byModule(results)].map(([name, [a, n]]) => `| ${name} | ${a} | ${n} |`),
    '',
    '## Disagreements',
    '',
    '| case | Java | Tsela | why |',
    '|---|---|---|---|',
    ...results
      .filter(({ agrees }) => !agrees)
      .map(({ one, errors }) => {
        const java = one.expected.errors[0]?.details?.text ?? 'no error';
        const ours = errors[0]?.text ?? 'no error';
        return `| ${one.name} (${one.kind}) | ${cell(java)} | ${cell(ours)} | ${reasons[one.name] ?? 'open'} |`;
      }),
    '',
  ];
  writeFileSync(new URL('report.md', import.meta.url), lines.join('\n'));
}

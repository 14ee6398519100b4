// The audit of the lock file: what it finds, and that what it cannot ask fails nothing.
import { expect, it } from 'vitest';
import { graveIn, licencesIn, mayShip, problemsIn } from '../../scripts/audit.mjs';

const integrity = 'sha512-abc';
const good = { version: '1.0.0', integrity, license: 'MIT' };

it('finds packages without a checksum, from elsewhere, or under a licence that may not be shipped', () => {
  const packages = {
    '': {},
    'node_modules/good': { ...good, resolved: 'https://registry.example/good.tgz' },
    'node_modules/set-elsewhere': good,
    'node_modules/tool': { ...good, license: 'GPL-3.0', dev: true },
    'node_modules/unsigned': { version: '1.0.0', license: 'MIT' },
    'node_modules/good/node_modules/@a/from-git': { ...good, resolved: 'git+ssh://host/a.git' },
    'node_modules/strict': { ...good, license: 'AGPL-3.0' },
    'node_modules/silent': { version: '1.0.0', integrity },
  };
  expect(problemsIn({ packages })).toEqual([
    'node_modules/unsigned has no sha512 checksum.',
    'node_modules/good/node_modules/@a/from-git does not come by https.',
    'strict 1.0.0 is under the licence AGPL-3.0.',
    'silent 1.0.0 is under the licence unknown.',
  ]);
  expect(licencesIn({ packages })[0]).toEqual(['MIT', 4]);
});

it('reads licences that are several', () => {
  expect(['(MIT OR GPL-3.0)', 'MIT AND ISC', 'Apache-2.0'].map(mayShip)).toEqual([true, true, true]);
  expect(['MIT AND GPL-3.0', 'GPL-3.0', '', undefined].map(mayShip)).toEqual([false, false, false, false]);
});

it('takes grave weaknesses from what npm audit says, and nothing from what it could not ask', () => {
  const found = (severity: string) => ({ a: { name: 'a', severity, range: '<2' } });
  const told = (severity: string): string => JSON.stringify({ vulnerabilities: found(severity) });
  expect(graveIn(told('critical'))).toEqual(['a <2 has a known weakness (critical).']);
  expect(graveIn(told('moderate'))).toEqual([]);
  for (const unasked of ['', '{"message":"405 Method Not Allowed"}', '{"error":{}}', 'null'])
    expect(graveIn(unasked)).toBeUndefined();
});

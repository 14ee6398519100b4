// The shapes of searches measured as a store grows: ../shared/design/performance.md, measure 7. A shape draws the values of
// each of its samples from what is stored. `selective`: what it finds does not grow with the store.
import { suffixOf } from './population.mjs';
import { pick } from './statistics.mjs';

const first = (list, test) => list?.find(test);

/** What the samples are drawn from. */
function facts(resources) {
  const of = type => resources.filter(one => one.resourceType === type);
  const codeOf = ({ code }) => first(code?.coding, one => one.system !== undefined);
  const patients = of('Patient').map(patient => {
    const observations = of('Observation').filter(
      ({ subject, code }) => subject?.reference === `Patient/${patient.id}` && code !== undefined,
    );
    const { family } = patient.name[0];
    return {
      id: patient.id,
      identifier: patient.identifier[0],
      /** As a copy's patient is called. */
      family: suffix => family.replace(/\d*$/, digits => suffix + digits),
      codes: [...new Set(observations.map(one => `${codeOf(one).system}|${codeOf(one).code}`))],
    };
  });
  const tally = new Map();
  for (const one of of('Observation')) {
    const code = codeOf(one)?.code;
    tally.set(code, (tally.get(code) ?? 0) + 1);
  }
  const codes = [...tally].sort((a, b) => b[1] - a[1]).map(([code]) => code);
  return {
    patients: patients.filter(({ codes: some }) => some.length >= 10),
    encounters: of('Encounter').map(({ id }) => id),
    /** Of observations, most frequent first. */
    codes,
    common: codes.slice(0, 8),
    rare: codes.slice(-20),
  };
}

/** @param copies how many copies of the resources are stored @returns the shapes with `samples` parameter lists each */
export function shapesOf(resources, copies, random, samples) {
  const { patients, encounters, codes, common, rare } = facts(resources);
  const suffix = () => suffixOf(Math.floor(random() * copies));
  const someone = () => {
    const patient = pick(random, patients);
    const end = suffix();
    const { system, value } = patient.identifier;
    return {
      id: patient.id + end,
      identifier: `${system}|${value}${end}`,
      family: patient.family(end),
      codes: patient.codes,
      code: pick(random, patient.codes),
    };
  };
  const encounter = () => pick(random, encounters) + suffix();
  const day = () =>
    `${2010 + Math.floor(random() * 9)}-${String(1 + Math.floor(random() * 12)).padStart(2, '0')}`;
  const many = (number, make) => Array.from({ length: number }, make).join();
  const shapes = [];
  const shape = (type, what, params, options = {}) =>
    shapes.push({
      type,
      what,
      samples: Array.from({ length: samples }, () => Object.entries(params(someone()))),
      ...options,
    });
  const selective = { selective: true };

  shape('Patient', '_id', ({ id }) => ({ _id: id }), selective);
  shape('Patient', 'identifier', ({ identifier }) => ({ identifier }), selective);
  shape(
    'Patient',
    'identifier, list of 10',
    () => ({ identifier: many(10, () => someone().identifier) }),
    selective,
  );
  shape(
    'Patient',
    'identifier, list of 30',
    () => {
      const end = suffix();
      return {
        identifier: patients
          .slice(0, 30)
          .map(({ identifier: { system, value } }) => `${system}|${value}${end}`)
          .join(),
      };
    },
    selective,
  );
  shape('Patient', 'family, prefix', ({ family }) => ({ family }), selective);
  shape('Patient', 'family:exact', ({ family }) => ({ 'family:exact': family }), selective);
  shape(
    'Patient',
    'family:contains, one match',
    ({ family }) => ({ 'family:contains': family.slice(1) }),
    selective,
  );
  shape(
    'Observation',
    'patient, code, sort by date',
    ({ id, code }) => ({ patient: id, code, _sort: '-date' }),
    selective,
  );
  shape(
    'Observation',
    'patient, list of 10 codes',
    ({ id, codes: some }) => ({ patient: id, code: some.slice(0, 10).join() }),
    selective,
  );
  shape(
    'Observation',
    'patient, date from, sort by date',
    ({ id }) => ({ patient: id, date: `ge${day()}`, _sort: '-date' }),
    selective,
  );
  shape(
    'Observation',
    'patient, category, value above',
    ({ id }) => ({ patient: id, category: 'vital-signs', 'value-quantity': 'gt100' }),
    selective,
  );
  shape(
    'Observation',
    'patient, category:not',
    ({ id }) => ({ patient: id, 'category:not': 'laboratory' }),
    selective,
  );
  shape('Observation', 'encounter', () => ({ encounter: encounter() }), selective);
  shape(
    'Observation',
    'patient.identifier (chain)',
    ({ identifier }) => ({ 'patient.identifier': identifier }),
    selective,
  );
  shape(
    'Observation',
    'encounter.patient.identifier (two chains)',
    ({ identifier }) => ({ 'encounter.patient.identifier': identifier }),
    selective,
  );
  shape(
    'Patient',
    '_has Encounter with an _id',
    () => ({ '_has:Encounter:patient:_id': encounter() }),
    selective,
  );
  shape(
    'Patient',
    'identifier, _has Observation with a code',
    ({ identifier, code }) => ({ identifier, '_has:Observation:patient:code': code }),
    selective,
  );
  shape(
    'Observation',
    'patient, code, _include patient and encounter',
    ({ id, code }) => ({ patient: id, code, _include: 'Observation:*' }),
    selective,
  );
  shape(
    'Patient',
    '_id, _revinclude encounters',
    ({ id }) => ({ _id: id, _revinclude: 'Encounter:patient' }),
    selective,
  );
  shape(
    'Observation',
    'patient, code, total',
    ({ id, code }) => ({ patient: id, code, _total: 'accurate' }),
    selective,
  );

  shape('Patient', 'family:contains, many matches', ({ family }) => ({
    'family:contains': family.slice(1, 4),
  }));
  shape('Patient', 'gender, birthdate before', () => ({
    gender: 'female',
    birthdate: `lt${1950 + Math.floor(random() * 50)}`,
  }));
  shape('Observation', 'date with each of nine prefixes', () => ({
    date: pick(random, ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap']) + day(),
  }));
  shape('Observation', 'sort by date', () => ({ _sort: '-date' }));
  shape('Observation', 'common code, sort by date', () => ({ code: pick(random, common), _sort: '-date' }));
  shape('Observation', 'rare code, sort by date', () => ({ code: pick(random, rare), _sort: '-date' }));
  shape('Observation', 'code and value above (composite)', () => ({
    'code-value-quantity': `${pick(random, common)}$gt${Math.floor(random() * 150)}`,
  }));
  shape('Observation', 'value above, rarely', () => ({
    'value-quantity': `gt${1000 + Math.floor(random() * 1000)}`,
  }));
  shape('Observation', 'value and unit', () => ({
    'value-quantity': `${20 + Math.floor(random() * 100)}|http://unitsofmeasure.org|mm[Hg]`,
  }));
  shape('Observation', 'category:not', () => ({ 'category:not': 'laboratory' }));
  shape('Observation', 'status:not, no match', () => ({ 'status:not': 'final' }));
  shape('Observation', 'value-quantity:missing', () => ({ 'value-quantity:missing': 'true' }));
  shape('Observation', 'encounter:missing, no match', () => ({ 'encounter:missing': 'true' }));
  shape('Observation', 'specimen:missing=false, no match', () => ({ 'specimen:missing': 'false' }));
  shape('Observation', 'date:missing, no match', () => ({ 'date:missing': 'true' }));
  shape('Condition', 'code:text', () => ({
    'code:text': pick(random, ['Acute', 'Fracture', 'Viral', 'Chronic']),
  }));
  shape('Observation', 'patient.gender (chain), code', () => ({
    'patient.gender': 'female',
    code: pick(random, common),
  }));
  shape('Observation', 'patient.family:contains (chain), one match', ({ family }) => ({
    'patient.family:contains': family.slice(1),
  }));
  shape('Patient', '_has Observation with a rare code', () => ({
    '_has:Observation:patient:code': pick(random, rare),
  }));
  shape('Patient', '_has Observation with a common code', () => ({
    '_has:Observation:patient:code': pick(random, common),
  }));
  shape('Observation', 'two sort keys, the first with many ties', () => ({ _sort: 'status,-date' }));
  shape('Observation', 'sort by value', () => ({ _sort: 'value-quantity' }));
  shape('Observation', 'category, sort by value', () => ({
    category: 'vital-signs',
    _sort: '-value-quantity',
  }));
  shape('Patient', 'sort by family, given', () => ({ _sort: 'family,given' }));
  shape('Observation', 'list of 100 codes, sort by date', () => ({
    code: codes.slice(0, 100).join(),
    _sort: '-date',
  }));
  shape('Observation', 'deep page, sort by date', () => ({ _sort: '-date' }), { deep: true });
  shape('Observation', 'count of one code', () => ({ code: pick(random, common), _summary: 'count' }));
  shape('Observation', 'count of a status', () => ({ status: 'final', _summary: 'count' }));
  shape('Observation', 'count of a code and a status', () => ({
    code: pick(random, common),
    status: 'final',
    _summary: 'count',
  }));
  shape('Observation', 'count of category:not', () => ({ 'category:not': 'laboratory', _summary: 'count' }));
  shape('Observation', 'count of dates from', () => ({ date: `ge${day()}`, _summary: 'count' }));
  return shapes;
}

// The sample district: the same bytes each time, every reference resolved by something told before, valid, plausible.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { dateTime, startOfDay, workingDay, yearsBetween } from '../../src/cli/sample/calendar.js';
import { defaultToday, generate, sampleBundles, sampleLines } from '../../src/cli/sample/generate.js';
import { random } from '../../src/cli/sample/random.js';
import { parseJson, type JsonObject } from '../../src/fhir/json.js';
import type { Resource } from '../../src/fhir/resource.js';
import { idPattern } from '../../src/fhir/resource.js';
import { gate } from '../../src/validation/gate.js';

const options = { patients: 60, seed: 1, today: defaultToday };
const sha256 = (lines: Iterable<string>): string => {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line).update('\n');
  return hash.digest('hex');
};
const everything = [...generate(options)].flat();
const ofType = (type: string): Resource[] => everything.filter(one => one.resourceType === type);

// The element a test looks at is there, or the test fails at it.
/* eslint-disable @typescript-eslint/no-explicit-any */
const plain = (resource: unknown): any => resource;
const keyOf = (resource: Resource): string => `${resource.resourceType}/${plain(resource).id}`;

describe('the sample', () => {
  test('is the same for the same seed, size and day, and another for another', () => {
    const same = sha256(sampleLines(options));
    expect(sha256(sampleLines({ ...options }))).toBe(same);
    for (const change of [{ seed: 2 }, { patients: 61 }, { today: '2026-01-06' }]) {
      expect(sha256(sampleLines({ ...options, ...change }))).not.toBe(same);
    }
  });

  test('has not changed unnoticed', () => {
    expect(sha256(sampleLines({ patients: 50, seed: 1, today: '2026-01-05' }))).toMatchInlineSnapshot(
      `"bc9f4b8918d237979b17def2f93b4b91c7f13b89d6b32b7c12bb207a6924269d"`,
    );
  });

  test.each([1, 2, -7, 2 ** 31 - 1])(
    'of seed %i has no id twice and every reference leads to something told before',
    seed => {
      const told = new Set<string>();
      for (const resource of [...generate({ ...options, seed })].flat()) {
        for (const reference of referencesIn(resource)) expect(told, keyOf(resource)).toContain(reference);
        const key = keyOf(resource);
        expect(told).not.toContain(key);
        expect(resource['id']).toMatch(idPattern);
        told.add(key);
      }
    },
  );

  test.each([1, 5, 11])('of seed %i passes the gate', seed => {
    for (const resource of [...generate({ ...options, patients: 150, seed })].flat())
      expect(gate(resource)).toEqual([]);
  });

  test('holds every kind of resource a district works with', () => {
    const types = new Set(everything.map(one => one.resourceType));
    expect([...types].sort()).toEqual([
      'AllergyIntolerance',
      'Appointment',
      'ChargeItem',
      'Condition',
      'Consent',
      'DiagnosticReport',
      'Encounter',
      'Immunization',
      'Invoice',
      'Location',
      'MedicationRequest',
      'Observation',
      'Organization',
      'Patient',
      'Practitioner',
      'PractitionerRole',
      'Procedure',
      'RelatedPerson',
      'Schedule',
      'ServiceRequest',
      'Slot',
      'Specimen',
    ]);
    expect(ofType('Patient')).toHaveLength(60);
    const towns = ofType('Organization').flatMap(one =>
      plain(one).address.map((address: JsonObject) => address['city']),
    );
    expect(towns).toEqual(expect.arrayContaining(['Moyeni', 'Maseru', 'Mafeteng']));
  });

  test('without patients is the district alone', () => {
    const types = new Set([...generate({ ...options, patients: 0 })].flat().map(one => one.resourceType));
    expect(types).not.toContain('Patient');
    expect(types).toContain('PractitionerRole');
  });

  test('books no doctor twice at a time, and appointments keep to their slot and its state', () => {
    const large = [...generate({ ...options, patients: 1700 })].flat();
    const slots = new Map<string, any>();
    const times = new Set<string>();
    for (const slot of large.filter(one => one.resourceType === 'Slot').map(plain)) {
      slots.set(`Slot/${slot.id}`, slot);
      const time = `${slot.schedule.reference} ${slot.start}`;
      expect(times).not.toContain(time);
      times.add(time);
      expect(slot.start < slot.end).toBe(true);
    }
    const used = new Set<string>();
    for (const appointment of large.filter(one => one.resourceType === 'Appointment').map(plain)) {
      const { reference } = appointment.slot[0];
      const slot = slots.get(reference);
      expect(used).not.toContain(reference);
      used.add(reference);
      expect([slot.start, slot.end]).toEqual([appointment.start, appointment.end]);
      expect(slot.status).toBe(appointment.status === 'cancelled' ? 'free' : 'busy');
      const isFuture = appointment.start > `${defaultToday}T23`;
      expect(isFuture ? ['booked', 'cancelled'] : ['fulfilled', 'noshow']).toContain(appointment.status);
      expect([0, 6]).not.toContain(new Date(appointment.start).getUTCDay());
    }
    expect(used.size).toBeGreaterThan(300);
  });

  test('says nothing from before birth, after death, or of the future', () => {
    const large = [...generate({ ...options, patients: 800 })].flat();
    const lives = new Map<string, { born: string; died: string }>();
    for (const patient of large.filter(one => one.resourceType === 'Patient').map(plain)) {
      lives.set(`Patient/${patient.id}`, {
        born: patient.birthDate,
        died: patient.deceasedDateTime ?? `${defaultToday}T00:00:00+02:00`,
      });
    }
    expect([...lives.values()].filter(({ died }) => !died.startsWith(defaultToday)).length).toBeGreaterThan(
      0,
    );
    for (const encounter of large.filter(one => one.resourceType === 'Encounter').map(plain)) {
      const { born, died } = lives.get(encounter.subject.reference)!;
      expect(encounter.period.start.slice(0, 10) >= born).toBe(true);
      expect(encounter.period.start < encounter.period.end).toBe(true);
      expect(encounter.period.end < died).toBe(true);
    }
    const dated = [
      'effectiveDateTime',
      'issued',
      'occurrenceDateTime',
      'authoredOn',
      'recordedDate',
      'date',
      'abatementDateTime',
    ];
    for (const resource of large) {
      for (const name of dated) {
        const value = resource[name];
        if (typeof value === 'string')
          expect(value <= `${defaultToday}T00:00:00+02:00`, `${resource.resourceType}.${name} ${value}`).toBe(
            true,
          );
      }
    }
    for (const condition of large.filter(one => one.resourceType === 'Condition').map(plain)) {
      expect(condition.onsetDateTime >= lives.get(condition.subject.reference)!.born).toBe(true);
    }
  });

  test('has vital signs and results a body can have', () => {
    const limits: Record<string, [number, number]> = {
      '8480-6': [70, 220],
      '8462-4': [35, 140],
      '29463-7': [2, 130],
      '8302-2': [40, 205],
      '8310-5': [35, 41.5],
      '8867-4': [45, 190],
      '2708-6': [80, 100],
      '39156-5': [12, 50],
      '718-7': [4, 20],
      '2951-2': [115, 165],
      '2823-3': [2, 7],
      '4548-4': [4, 16],
    };
    const seen = new Set<string>();
    for (const observation of [...generate({ ...options, patients: 600 })]
      .flat()
      .filter(one => one.resourceType === 'Observation')
      .map(plain)) {
      for (const part of [observation, ...(observation.component ?? [])]) {
        const [low, high] = limits[part.code.coding[0].code] ?? [-Infinity, Infinity];
        if (part.valueQuantity === undefined) continue;
        seen.add(part.code.coding[0].code);
        expect(part.valueQuantity.value, part.code.text).toBeGreaterThanOrEqual(low);
        expect(part.valueQuantity.value, part.code.text).toBeLessThanOrEqual(high);
        expect(part.valueQuantity).toMatchObject({
          system: 'http://unitsofmeasure.org',
          code: expect.any(String),
        });
      }
      if (observation.component)
        expect(observation.component[0].valueQuantity.value).toBeGreaterThan(
          observation.component[1].valueQuantity.value,
        );
    }
    expect([...seen]).toEqual(expect.arrayContaining(Object.keys(limits)));
  });

  test('gives no penicillin to those allergic to it', () => {
    const large = [...generate({ ...options, patients: 1500 })].flat().map(plain);
    const allergic = new Set(
      large
        .filter(one => one.resourceType === 'AllergyIntolerance' && one.code.coding[0].code === '91936005')
        .map(one => one.patient.reference),
    );
    const prescriptions = large.filter(
      one => one.resourceType === 'MedicationRequest' && allergic.has(one.subject.reference),
    );
    expect(allergic.size).toBeGreaterThan(20);
    expect(prescriptions.length).toBeGreaterThan(50);
    expect(prescriptions.filter(one => one.medicationCodeableConcept.coding[0].code === 'J01CA04')).toEqual(
      [],
    );
  });

  test('as bundles holds the same resources, each PUT under its id', () => {
    const fromBundles = [...sampleBundles(options)].flatMap(line => plain(parseJson(line)).entry);
    expect(fromBundles.map(entry => JSON.stringify(entry.resource))).toEqual([...sampleLines(options)]);
    for (const { resource, request } of fromBundles)
      expect(request).toEqual({ method: 'PUT', url: `${resource.resourceType}/${resource.id}` });
  });

  test.each([
    [{ patients: -1 }, '--patients'],
    [{ seed: 2 ** 31 }, '--seed'],
    [{ today: '5 January' }, '--today'],
  ])('refuses %j', (change, named) => {
    expect(() => [...generate({ ...options, ...change })]).toThrow(named);
  });
});

function* referencesIn(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const each of value) yield* referencesIn(each);
  else if (typeof value === 'object' && value !== null) {
    const { reference } = value as { reference?: unknown };
    if (typeof reference === 'string') yield reference;
    for (const each of Object.values(value)) yield* referencesIn(each);
  }
}

describe('the calendar', () => {
  const monday = startOfDay('2026-01-05')!;
  test('is Lesotho’s', () => {
    expect(dateTime(monday)).toBe('2026-01-05T00:00:00+02:00');
    expect(startOfDay('2026-02-29')).toBeUndefined();
    expect(yearsBetween(startOfDay('2000-01-06')!, monday)).toBe(25);
    expect(yearsBetween(startOfDay('2000-01-05')!, monday)).toBe(26);
  });

  test('counts working days from every day of the week', () => {
    for (let ahead = 0; ahead < 7; ahead++) {
      const today = monday + ahead * 86_400_000;
      for (const step of [1, -1]) {
        let expected = today;
        for (let n = 1; n <= 12; n++) {
          do expected += step * 86_400_000;
          while ([0, 6].includes(new Date(expected + 7_200_000).getUTCDay()));
          expect(workingDay(today, step * n)).toBe(expected);
        }
      }
    }
  });
});

test('neighbouring seeds and streams draw differently, and evenly', () => {
  const firsts = new Set<number>();
  let sum = 0;
  for (let seed = 0; seed < 100; seed++) {
    for (let stream = 0; stream < 100; stream++) {
      const value = random(seed, stream).next();
      firsts.add(value);
      sum += value;
    }
  }
  expect(firsts.size).toBeGreaterThan(9990);
  expect(sum / 10_000).toBeCloseTo(0.5, 1);
});

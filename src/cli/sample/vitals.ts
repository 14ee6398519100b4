// Vital signs of a visit, by age and illness. https://hl7.org/fhir/R4/observation-vitalsigns.html
import type { JsonObject } from '../../fhir/json.js';
import { coding, interpretations, loinc, quantity, systems, vitalSigns } from './codes.js';
import type { Illness } from './illnesses.js';
import { round } from './random.js';
import type { Story } from './story.js';

export interface Measured {
  readonly encounter: JsonObject;
  /** FHIR dateTime. */
  readonly when: string;
  readonly performer: JsonObject;
  /** Years and parts of a year. */
  readonly age: number;
  readonly illness: Illness;
  /** Grown-up stature, drawn once per patient: standard deviations from the middle. */
  readonly stature: number;
  readonly hypertensive: boolean;
}

const saturationCode = {
  coding: [
    coding(systems.loinc, '2708-6', 'Oxygen saturation in Arterial blood'),
    coding(systems.loinc, '59408-5', 'Oxygen saturation in Arterial blood by Pulse oximetry'),
  ],
  text: 'Oxygen saturation',
};
const codes = {
  bloodPressure: loinc('85354-9', 'Blood pressure panel with all children optional'),
  systolic: loinc('8480-6', 'Systolic blood pressure'),
  diastolic: loinc('8462-4', 'Diastolic blood pressure'),
  weight: loinc('29463-7', 'Body weight'),
  height: loinc('8302-2', 'Body height'),
  bodyMassIndex: loinc('39156-5', 'Body mass index (BMI) [Ratio]'),
  temperature: loinc('8310-5', 'Body temperature'),
  heartRate: loinc('8867-4', 'Heart rate'),
  saturation: saturationCode,
};

export function tellVitals(story: Story, visit: Measured): void {
  const { random } = story;
  const { age, illness } = visit;
  const tell = (code: JsonObject, value: JsonObject): void => {
    story.tell({
      resourceType: 'Observation',
      id: story.id('observation'),
      status: 'final',
      category: vitalSigns,
      code,
      subject: story.patient,
      encounter: visit.encounter,
      effectiveDateTime: visit.when,
      performer: [visit.performer],
      ...value,
    });
  };

  if (age >= 12) {
    const systolic = random.around(
      visit.hypertensive ? 148 : 106 + Math.min(age, 70) / 4,
      visit.hypertensive ? 12 : 8,
    );
    const diastolic = Math.min(
      random.around(visit.hypertensive ? 92 : 68 + Math.min(age, 60) / 6, 6),
      systolic - 20,
    );
    tell(codes.bloodPressure, {
      interpretation: systolic >= 140 || diastolic >= 90 ? interpretations.high : interpretations.normal,
      component: [
        { code: codes.systolic, valueQuantity: quantity(systolic, 'mm[Hg]', 'mmHg') },
        { code: codes.diastolic, valueQuantity: quantity(diastolic, 'mm[Hg]', 'mmHg') },
      ],
    });
  }
  const height = heightAt(age, story.sex) * (1 + visit.stature * 0.035);
  const weight = weightAt(age, story.sex) * (1 + visit.stature * 0.05 + random.around(0, 0.02, 3));
  tell(codes.height, { valueQuantity: quantity(round(height, 1), 'cm') });
  tell(codes.weight, { valueQuantity: quantity(round(weight, 1), 'kg') });
  if (age >= 18)
    tell(codes.bodyMassIndex, { valueQuantity: quantity(round(weight / (height / 100) ** 2, 1), 'kg/m2') });
  tell(codes.temperature, {
    valueQuantity: quantity(round(random.around(36.7, 0.25, 1) + (illness.fever ?? 0), 1), 'Cel', '°C'),
  });
  const restingPulse = age < 1 ? 130 : age < 6 ? 108 : age < 13 ? 92 : 76;
  tell(codes.heartRate, {
    valueQuantity: quantity(random.around(restingPulse + (illness.pulse ?? 0), 6), '/min', 'beats/minute'),
  });
  // Quthing and its neighbours lie between 1,500 and 2,000 m: 96 % is usual.
  const saturation = Math.min(99, random.around(96 + (illness.saturation ?? 0), 1));
  tell(codes.saturation, { valueQuantity: quantity(saturation, '%') });
}

/** Centimetres in the middle of the growth charts, straight between the points. */
const heightPoints = [
  [0, 52],
  [1, 75],
  [2, 87],
  [5, 109],
  [10, 138],
  [13, 155],
] as const;
const heightAt = (age: number, sex: Story['sex']): number =>
  between(heightPoints, age, sex === 'male' ? 168 : 158);

/** Kilograms. */
const weightPoints = [
  [0, 4],
  [1, 9.5],
  [2, 12.2],
  [5, 18],
  [10, 32],
  [13, 45],
] as const;
const weightAt = (age: number, sex: Story['sex']): number =>
  between(weightPoints, age, sex === 'male' ? 65 : 66);

const grownUp = 18;
function between(points: readonly (readonly [number, number])[], age: number, adult: number): number {
  if (age >= grownUp) return adult;
  let [fromAge, from] = [0, points[0]?.[1] ?? adult];
  for (const [toAge, to] of [...points, [grownUp, adult] as const]) {
    if (age < toAge) return from + ((to - from) * (age - fromAge)) / (toAge - fromAge);
    [fromAge, from] = [toAge, to];
  }
  return adult;
}

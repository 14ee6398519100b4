// What the laboratory of the sample district measures: data only. Reference ranges are those usual for adults.
// https://loinc.org, https://ucum.org
import type { JsonObject } from '../../fhir/json.js';
import { loinc, snomed } from './codes.js';

export type Panel = 'bloodCount' | 'electrolytes' | 'diabetes' | 'hiv' | 'hivScreening' | 'tuberculosis';

interface Measurement {
  readonly code: JsonObject;
  readonly unit: string;
  readonly label?: string;
  readonly digits: number;
  readonly low?: number;
  readonly high?: number;
  /** Where values lie, and where they lie in somebody ill. */
  readonly usual: readonly [mean: number, spread: number];
  readonly ill?: readonly [mean: number, spread: number];
  /** No value lies outside. */
  readonly bounds: readonly [least: number, most: number];
}

interface Finding {
  readonly code: JsonObject;
  /** Probability of a positive answer. */
  readonly positive: number;
}

interface PanelDefinition {
  readonly code: JsonObject;
  readonly specimen: JsonObject;
  readonly measurements: readonly Measurement[];
  readonly findings?: readonly Finding[];
}

const wholeBlood = snomed('119297000', 'Blood specimen');
const serum = snomed('119364003', 'Serum specimen');
const sputum = snomed('119334006', 'Sputum specimen');

export const panels: Readonly<Record<Panel, PanelDefinition>> = {
  bloodCount: {
    code: loinc('58410-2', 'CBC panel - Blood by Automated count'),
    specimen: wholeBlood,
    measurements: [
      {
        code: loinc('718-7', 'Hemoglobin [Mass/volume] in Blood'),
        unit: 'g/dL',
        digits: 1,
        low: 12,
        high: 17,
        usual: [14, 1.2],
        ill: [9.6, 1.1],
        bounds: [4, 20],
      },
      {
        code: loinc('4544-3', 'Hematocrit [Volume Fraction] of Blood by Automated count'),
        unit: '%',
        digits: 1,
        low: 36,
        high: 50,
        usual: [42, 3],
        ill: [30, 3],
        bounds: [14, 60],
      },
      {
        code: loinc('6690-2', 'Leukocytes [#/volume] in Blood by Automated count'),
        unit: '10*3/uL',
        label: '10³/µL',
        digits: 1,
        low: 4,
        high: 11,
        usual: [6.8, 1.4],
        ill: [12.5, 2.5],
        bounds: [1.5, 30],
      },
      {
        code: loinc('777-3', 'Platelets [#/volume] in Blood by Automated count'),
        unit: '10*3/uL',
        label: '10³/µL',
        digits: 0,
        low: 150,
        high: 400,
        usual: [265, 50],
        bounds: [20, 900],
      },
      {
        code: loinc('787-2', 'MCV [Entitic volume] by Automated count'),
        unit: 'fL',
        digits: 1,
        low: 80,
        high: 100,
        usual: [89, 4],
        ill: [76, 4],
        bounds: [55, 120],
      },
    ],
  },
  electrolytes: {
    code: loinc('24326-1', 'Electrolytes 1998 panel - Serum or Plasma'),
    specimen: serum,
    measurements: [
      {
        code: loinc('2951-2', 'Sodium [Moles/volume] in Serum or Plasma'),
        unit: 'mmol/L',
        digits: 0,
        low: 135,
        high: 145,
        usual: [140, 2.2],
        bounds: [115, 165],
      },
      {
        code: loinc('2823-3', 'Potassium [Moles/volume] in Serum or Plasma'),
        unit: 'mmol/L',
        digits: 1,
        low: 3.5,
        high: 5.1,
        usual: [4.2, 0.35],
        bounds: [2, 7],
      },
      {
        code: loinc('2075-0', 'Chloride [Moles/volume] in Serum or Plasma'),
        unit: 'mmol/L',
        digits: 0,
        low: 98,
        high: 107,
        usual: [102, 2],
        bounds: [80, 125],
      },
      {
        code: loinc('14682-9', 'Creatinine [Moles/volume] in Serum or Plasma'),
        unit: 'umol/L',
        label: 'µmol/L',
        digits: 0,
        low: 45,
        high: 110,
        usual: [78, 13],
        ill: [125, 25],
        bounds: [25, 700],
      },
    ],
  },
  diabetes: {
    code: loinc('4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood'),
    specimen: wholeBlood,
    measurements: [
      {
        code: loinc('4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood'),
        unit: '%',
        digits: 1,
        low: 4,
        high: 5.6,
        usual: [5.3, 0.3],
        ill: [8.1, 1.2],
        bounds: [4, 16],
      },
      {
        code: loinc('14749-6', 'Glucose [Moles/volume] in Serum or Plasma'),
        unit: 'mmol/L',
        digits: 1,
        low: 3.9,
        high: 5.6,
        usual: [5, 0.4],
        ill: [9.8, 2.2],
        bounds: [2.5, 30],
      },
    ],
  },
  hiv: {
    code: loinc(
      '20447-9',
      'HIV 1 RNA [#/volume] (viral load) in Serum or Plasma by NAA with probe detection',
    ),
    specimen: wholeBlood,
    measurements: [
      {
        code: loinc(
          '20447-9',
          'HIV 1 RNA [#/volume] (viral load) in Serum or Plasma by NAA with probe detection',
        ),
        unit: '{copies}/mL',
        label: 'copies/mL',
        digits: 0,
        high: 50,
        usual: [30, 6],
        ill: [1800, 500],
        bounds: [20, 500_000],
      },
      {
        code: loinc('24467-3', 'CD3+CD4+ (T4 helper) cells [#/volume] in Blood'),
        unit: '/uL',
        label: 'cells/µL',
        digits: 0,
        low: 500,
        high: 1500,
        usual: [680, 120],
        ill: [320, 80],
        bounds: [20, 1600],
      },
    ],
  },
  hivScreening: {
    code: loinc('68961-2', 'HIV 1 Ab [Presence] in Serum, Plasma or Blood by Rapid immunoassay'),
    specimen: wholeBlood,
    measurements: [],
    findings: [
      {
        code: loinc('68961-2', 'HIV 1 Ab [Presence] in Serum, Plasma or Blood by Rapid immunoassay'),
        positive: 0,
      },
    ],
  },
  tuberculosis: {
    code: loinc(
      '38379-4',
      'Mycobacterium tuberculosis complex DNA [Presence] in Specimen by NAA with probe detection',
    ),
    specimen: sputum,
    measurements: [],
    findings: [
      {
        code: loinc(
          '38379-4',
          'Mycobacterium tuberculosis complex DNA [Presence] in Specimen by NAA with probe detection',
        ),
        positive: 0.6,
      },
    ],
  },
};

// What brings people of the sample district to a clinic, and what is usually done: data only.
// SNOMED CT for findings and procedures, ATC for medicines. https://www.whocc.no/atc_ddd_index/
import type { Panel } from './panels.js';

export interface Medicine {
  readonly atc: string;
  readonly name: string;
  /** How it is taken, in words. */
  readonly instruction: string;
  /** Tablets, millilitres or puffs per dose, and doses per day. */
  readonly dose: number;
  readonly unit: 'tablet' | 'mL' | 'puff';
  readonly timesADay: number;
  readonly days: number;
  readonly isPenicillin?: true;
}

const medicine = (
  atc: string,
  name: string,
  dose: number,
  unit: Medicine['unit'],
  timesADay: number,
  days: number,
): Medicine => ({
  atc,
  name,
  instruction: `${dose} ${unit}${dose === 1 || unit === 'mL' ? '' : 's'} ${timesADay === 1 ? 'once' : timesADay === 2 ? 'twice' : `${timesADay} times`} a day for ${days} days`,
  dose,
  unit,
  timesADay,
  days,
});

export const medicines = {
  paracetamol: medicine('N02BE01', 'Paracetamol 500 mg', 2, 'tablet', 3, 5),
  paracetamolSyrup: medicine('N02BE01', 'Paracetamol 120 mg/5 mL', 5, 'mL', 3, 5),
  amoxicillin: { ...medicine('J01CA04', 'Amoxicillin 500 mg', 1, 'tablet', 3, 7), isPenicillin: true },
  amoxicillinSyrup: { ...medicine('J01CA04', 'Amoxicillin 125 mg/5 mL', 10, 'mL', 2, 5), isPenicillin: true },
  erythromycin: medicine('J01FA01', 'Erythromycin 250 mg', 2, 'tablet', 4, 7),
  ciprofloxacin: medicine('J01MA02', 'Ciprofloxacin 500 mg', 1, 'tablet', 2, 3),
  rehydration: medicine('A07CA', 'Oral rehydration salts', 100, 'mL', 4, 3),
  ibuprofen: medicine('M01AE01', 'Ibuprofen 400 mg', 1, 'tablet', 3, 5),
  omeprazole: medicine('A02BC01', 'Omeprazole 20 mg', 1, 'tablet', 1, 28),
  ferrousSulfate: medicine('B03AA07', 'Ferrous sulfate 200 mg', 1, 'tablet', 2, 30),
  folicAcid: medicine('B03BB01', 'Folic acid 5 mg', 1, 'tablet', 1, 30),
  hydrochlorothiazide: medicine('C03AA03', 'Hydrochlorothiazide 25 mg', 1, 'tablet', 1, 30),
  amlodipine: medicine('C08CA01', 'Amlodipine 5 mg', 1, 'tablet', 1, 30),
  metformin: medicine('A10BA02', 'Metformin 500 mg', 1, 'tablet', 2, 30),
  tld: medicine(
    'J05AR27',
    'Lamivudine 300 mg, tenofovir disoproxil 300 mg, dolutegravir 50 mg',
    1,
    'tablet',
    1,
    90,
  ),
  rhze: medicine(
    'J04AM06',
    'Rifampicin 150 mg, isoniazid 75 mg, pyrazinamide 400 mg, ethambutol 275 mg',
    3,
    'tablet',
    1,
    56,
  ),
  salbutamol: medicine('R03AC02', 'Salbutamol 100 micrograms inhaler', 2, 'puff', 4, 30),
} as const satisfies Record<string, Medicine>;

export interface Illness {
  readonly snomed: string;
  readonly name: string;
  readonly ages: readonly [from: number, to: number];
  readonly medicines: readonly Medicine[];
  /** For small children, where they are given syrup instead. */
  readonly childMedicines?: readonly Medicine[];
  readonly panels?: readonly Panel[];
  readonly procedure?: readonly [snomed: string, name: string];
  /** How far vital signs move: degrees, beats a minute, per cent of saturation. */
  readonly fever?: number;
  readonly pulse?: number;
  readonly saturation?: number;
  readonly isEmergency?: true;
  /** Probability of a stay in the ward. */
  readonly admission?: number;
  /** Days until it is over; two weeks where absent. */
  readonly lasts?: number;
  /** The kind of visit, where it has a name of its own. */
  readonly visit?: readonly [snomed: string, name: string];
}

const m = medicines;
export const acuteIllnesses: readonly Illness[] = [
  {
    snomed: '54150009',
    name: 'Upper respiratory infection',
    ages: [0, 99],
    medicines: [m.paracetamol],
    childMedicines: [m.paracetamolSyrup],
    fever: 0.8,
    pulse: 8,
  },
  {
    snomed: '233604007',
    name: 'Pneumonia',
    ages: [0, 99],
    medicines: [m.amoxicillin, m.paracetamol],
    childMedicines: [m.amoxicillinSyrup, m.paracetamolSyrup],
    panels: ['bloodCount'],
    procedure: ['399208008', 'Plain chest X-ray'],
    fever: 1.9,
    pulse: 20,
    saturation: -5,
    admission: 0.4,
  },
  { snomed: '62315008', name: 'Diarrhoea', ages: [0, 99], medicines: [m.rehydration], fever: 0.5, pulse: 12 },
  {
    snomed: '68566005',
    name: 'Urinary tract infection',
    ages: [14, 99],
    medicines: [m.ciprofloxacin],
    panels: ['electrolytes'],
    fever: 0.9,
    pulse: 8,
  },
  {
    snomed: '65363002',
    name: 'Otitis media',
    ages: [0, 12],
    medicines: [m.amoxicillin],
    childMedicines: [m.amoxicillinSyrup, m.paracetamolSyrup],
    fever: 1.2,
    pulse: 10,
  },
  {
    snomed: '43878008',
    name: 'Streptococcal sore throat',
    ages: [4, 40],
    medicines: [m.amoxicillin, m.paracetamol],
    procedure: ['117015009', 'Throat culture'],
    fever: 1.2,
    pulse: 8,
  },
  {
    snomed: '271737000',
    name: 'Anaemia',
    ages: [1, 99],
    medicines: [m.ferrousSulfate, m.folicAcid],
    panels: ['bloodCount'],
    pulse: 10,
  },
  { snomed: '44465007', name: 'Sprain of ankle', ages: [6, 70], medicines: [m.ibuprofen] },
  {
    snomed: '283371005',
    name: 'Laceration of forearm',
    ages: [4, 80],
    medicines: [m.paracetamol],
    procedure: ['288086009', 'Suture open wound'],
    pulse: 12,
    isEmergency: true,
  },
  {
    snomed: '263102004',
    name: 'Fracture subluxation of wrist',
    ages: [6, 90],
    medicines: [m.ibuprofen],
    procedure: ['274474001', 'Bone immobilization'],
    pulse: 14,
    isEmergency: true,
  },
  { snomed: '4556007', name: 'Gastritis', ages: [16, 99], medicines: [m.omeprazole] },
];

export interface ChronicIllness extends Illness {
  /** Probability at the ages given. */
  readonly share: number;
}

export const chronicIllnesses: readonly ChronicIllness[] = [
  {
    snomed: '38341003',
    name: 'Hypertensive disorder',
    share: 0.35,
    ages: [40, 99],
    medicines: [m.hydrochlorothiazide, m.amlodipine],
    panels: ['electrolytes'],
  },
  {
    snomed: '44054006',
    name: 'Diabetes mellitus type 2',
    share: 0.1,
    ages: [35, 99],
    medicines: [m.metformin],
    panels: ['diabetes'],
  },
  {
    snomed: '86406008',
    name: 'Human immunodeficiency virus infection',
    share: 0.2,
    ages: [18, 65],
    medicines: [m.tld],
    panels: ['hiv'],
  },
  {
    snomed: '154283005',
    name: 'Pulmonary tuberculosis',
    share: 0.03,
    ages: [15, 75],
    medicines: [m.rhze],
    panels: ['tuberculosis', 'bloodCount'],
    procedure: ['399208008', 'Plain chest X-ray'],
  },
  {
    snomed: '195967001',
    name: 'Asthma',
    share: 0.05,
    ages: [5, 60],
    medicines: [m.salbutamol],
    saturation: -2,
    procedure: ['23426006', 'Measurement of respiratory function'],
  },
];

/** What is medicine for a penicillin in somebody allergic to it. */
export const insteadOfPenicillin: Medicine = m.erythromycin;

export const antenatalCare: Illness = {
  snomed: '72892002',
  name: 'Normal pregnancy',
  ages: [16, 42],
  medicines: [m.ferrousSulfate, m.folicAcid],
  panels: ['bloodCount', 'hivScreening'],
  procedure: ['225158009', 'Auscultation of the fetal heart'],
  pulse: 8,
  lasts: 180,
  visit: ['424619006', 'Prenatal visit'],
};

export const childHealthVisit: Illness = {
  snomed: '410620009',
  name: 'Well child visit',
  ages: [0, 4],
  medicines: [],
  visit: ['185349003', 'Encounter for check up'],
};

/** Vaccine (CVX), target disease (SNOMED CT), age in days at each dose. */
export const vaccines: readonly {
  cvx: string;
  name: string;
  disease: readonly [string, string];
  ageInDays: readonly number[];
  site: 'LA' | 'RA' | 'oral';
}[] = [
  { cvx: '19', name: 'BCG', disease: ['56717001', 'Tuberculosis'], ageInDays: [1], site: 'RA' },
  {
    cvx: '102',
    name: 'DTP-Hib-Hep B',
    disease: ['27836007', 'Pertussis'],
    ageInDays: [42, 70, 98],
    site: 'LA',
  },
  {
    cvx: '133',
    name: 'Pneumococcal conjugate PCV 13',
    disease: ['16814004', 'Pneumococcal infectious disease'],
    ageInDays: [42, 70, 98],
    site: 'RA',
  },
  {
    cvx: '119',
    name: 'rotavirus, monovalent',
    disease: ['18624000', 'Disease caused by Rotavirus'],
    ageInDays: [42, 70],
    site: 'oral',
  },
  { cvx: '04', name: 'M/R', disease: ['14189004', 'Measles'], ageInDays: [274, 548], site: 'LA' },
];

export const allergies: readonly {
  snomed: string;
  name: string;
  category: 'medication' | 'food' | 'environment';
  isPenicillin?: true;
}[] = [
  { snomed: '91936005', name: 'Allergy to penicillin', category: 'medication', isPenicillin: true },
  { snomed: '91935009', name: 'Allergy to peanut', category: 'food' },
  { snomed: '300913006', name: 'Allergy to shellfish', category: 'food' },
  { snomed: '418689008', name: 'Allergy to grass pollen', category: 'environment' },
  { snomed: '424213003', name: 'Allergy to bee venom', category: 'environment' },
];

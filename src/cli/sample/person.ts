// Who the patients of the sample district are: age, name, family, allergies, chronic illnesses, consent.
import type { Resource } from '../../fhir/resource.js';
import { date, dateTime, day, yearsBetween } from './calendar.js';
import { coding, concept, identifierSystems, loinc, snomed, systems } from './codes.js';
import { allergies, chronicIllnesses, type ChronicIllness } from './illnesses.js';
import { familyNames, femaleNames, maleNames, villages } from './names.js';
import { random, type Random } from './random.js';
import {
  organization,
  practitioner,
  reference,
  staffOf,
  type Facility,
  type SampleOptions,
  type Story,
} from './story.js';

/** Shares of the population by age: half are children and young people, as in Lesotho. */
const ageBands = [
  [0.12, 0, 4],
  [0.22, 5, 14],
  [0.2, 15, 24],
  [0.24, 25, 44],
  [0.14, 45, 64],
  [0.08, 65, 92],
] as const;
/** Most live near the district's first hospital. */
const facilityShares = [0.34, 0.18, 0.18, 0.12, 0.09, 0.09];

export const patientNumber = (index: number): string => String(index).padStart(4, '0');

/** Draws who patient `index` (from 1) is; resources told go to `output`. */
export function openStory(
  index: number,
  options: SampleOptions,
  today: number,
  facilities: readonly Facility[],
  output: Resource[],
): Story {
  const draw = random(options.seed, index);
  const number = patientNumber(index);
  const sex = draw.chance(0.53) ? 'female' : 'male';
  const born = today - Math.floor(ageInYears(draw) * 365.25) * day;
  const counters = new Map<string, number>();
  return {
    random: draw,
    number,
    today,
    home: weighted(draw, facilities, facilityShares),
    sex,
    givenName: draw.pick(sex === 'female' ? femaleNames : maleNames),
    familyName: draw.pick(familyNames),
    born,
    penicillinAllergy: draw.chance(0.05),
    patient: reference('Patient', `patient-${number}`),
    id: kind => {
      const n = (counters.get(kind) ?? 0) + 1;
      counters.set(kind, n);
      return `${kind}-${number}-${n < 10 ? '0' : ''}${n}`;
    },
    tell: resource => {
      output.push(resource);
      return reference(resource.resourceType, resource.id);
    },
  };
}

function ageInYears(draw: Random): number {
  const [, from, to] = weighted(
    draw,
    ageBands,
    ageBands.map(([share]) => share),
  );
  // Never quite zero: a newborn is some days old on the sample's day.
  return Math.max(from + draw.next() * (to - from + 1), 0.05);
}

function weighted<T>(draw: Random, list: readonly T[], shares: readonly number[]): T {
  let left = draw.next();
  for (const [i, one] of list.entries()) {
    left -= shares[i] ?? 0;
    if (left < 0) return one;
  }
  return draw.pick(list);
}

/** Tells the Patient and those close to them. `died`: milliseconds. */
export function tellPatient(story: Story, died: number | undefined): void {
  const { random: draw, number, sex, home } = story;
  const age = yearsBetween(story.born, story.today);
  const village = draw.pick(villages);
  const isAdult = age >= 18;
  const doctor = staffOf(home, 'doctor', draw);
  const address = [
    {
      use: 'home',
      type: 'physical',
      line: [village],
      city: home.town,
      district: home.districtName,
      country: 'LS',
    },
  ];
  const married = age >= 20 && draw.chance(0.5);
  story.tell({
    resourceType: 'Patient',
    id: `patient-${number}`,
    identifier: [
      {
        use: 'usual',
        type: concept(systems.identifierType, 'MR', 'Medical record number'),
        system: identifierSystems.patient,
        value: `LS${number.padStart(7, '0')}`,
        assigner: organization(home),
      },
    ],
    active: died === undefined,
    name: [{ use: 'official', family: story.familyName, given: [story.givenName] }],
    ...(isAdult ? { telecom: [{ system: 'phone', value: telephone(number), use: 'mobile' }] } : {}),
    gender: sex,
    birthDate: date(story.born),
    ...(died === undefined ? {} : { deceasedDateTime: dateTime(died) }),
    address,
    ...(isAdult
      ? {
          maritalStatus: married
            ? concept(systems.maritalStatus, 'M', 'Married')
            : concept(systems.maritalStatus, 'S', 'Never Married'),
        }
      : {}),
    communication: [
      { language: concept(systems.language, 'st', 'Southern Sotho'), preferred: true },
      ...(draw.chance(0.6) ? [{ language: concept(systems.language, 'en', 'English') }] : []),
    ],
    generalPractitioner: [practitioner(doctor)],
    managingOrganization: organization(home),
  });
  if (!isAdult || draw.chance(0.3)) {
    const [code, display] = !isAdult
      ? (['MTH', 'mother'] as const)
      : married
        ? (['SPS', 'spouse'] as const)
        : (['SIB', 'sibling'] as const);
    const relativeSex =
      code === 'MTH'
        ? 'female'
        : code === 'SPS'
          ? sex === 'female'
            ? 'male'
            : 'female'
          : draw.pick(['female', 'male'] as const);
    story.tell({
      resourceType: 'RelatedPerson',
      id: story.id('relative'),
      active: true,
      patient: story.patient,
      relationship: [concept(systems.roleCode, code, display)],
      name: [
        {
          use: 'official',
          family: story.familyName,
          given: [draw.pick(relativeSex === 'female' ? femaleNames : maleNames)],
        },
      ],
      telecom: [{ system: 'phone', value: telephone(`9${number}`), use: 'mobile' }],
      gender: relativeSex,
      address,
    });
  }
}

/** A number that cannot be dialled: no subscriber number in Lesotho starts with 0. */
const telephone = (number: string): string => `+266 0${number.padStart(7, '0')}`;

const rash = snomed('271807003', 'Eruption of skin');

export function tellAllergies(story: Story): void {
  const { random: draw } = story;
  const others = allergies.filter(one => !one.isPenicillin);
  const found = [
    ...allergies.filter(one => one.isPenicillin && story.penicillinAllergy),
    ...(draw.chance(0.08) ? [draw.pick(others)] : []),
  ];
  for (const allergy of found) {
    story.tell({
      resourceType: 'AllergyIntolerance',
      id: story.id('allergy'),
      clinicalStatus: concept(systems.allergyClinical, 'active', 'Active'),
      verificationStatus: concept(systems.allergyVerification, 'confirmed', 'Confirmed'),
      type: 'allergy',
      category: [allergy.category],
      criticality: allergy.isPenicillin ? 'high' : 'low',
      code: snomed(allergy.snomed, allergy.name),
      patient: story.patient,
      recordedDate: date(Math.max(story.born, story.today - draw.int(200, 1500) * day)),
      recorder: practitioner(staffOf(story.home, 'nurse', draw)),
      reaction: [{ manifestation: [rash], severity: allergy.isPenicillin ? 'moderate' : 'mild' }],
    });
  }
}

/** An illness that stays, and since when: milliseconds. */
export interface Chronic {
  readonly illness: ChronicIllness;
  readonly since: number;
}

/** Tells the Conditions that stay, and answers what they are. */
export function tellChronicIllnesses(story: Story): Chronic[] {
  const { random: draw } = story;
  const age = yearsBetween(story.born, story.today);
  const found = chronicIllnesses.filter(
    ({ ages: [from, to], share }) => age >= from && age <= to && draw.chance(share),
  );
  return found.map(illness => {
    // Known for half a year to five years, and not from before the age at which it comes.
    const years = Math.min(0.5 + draw.next() * 4.5, Math.max(0.1, age - illness.ages[0]));
    const since = story.today - Math.floor(years * 365) * day;
    const onset = date(since);
    story.tell({
      resourceType: 'Condition',
      id: story.id('condition'),
      clinicalStatus: concept(systems.conditionClinical, 'active', 'Active'),
      verificationStatus: concept(systems.conditionVerification, 'confirmed', 'Confirmed'),
      category: [concept(systems.conditionCategory, 'problem-list-item', 'Problem List Item')],
      code: snomed(illness.snomed, illness.name),
      subject: story.patient,
      onsetDateTime: onset,
      recordedDate: onset,
      recorder: practitioner(staffOf(story.home, 'doctor', draw)),
    });
    return { illness, since };
  });
}

/** One patient in twenty-five, the first among them, keeps their record from the district's other facilities. */
export function tellConsent(story: Story, index: number, facilities: readonly Facility[]): void {
  if (index % 25 !== 1) return;
  const elsewhere = facilities.find(one => one.districtName !== story.home.districtName);
  if (!elsewhere) return;
  story.tell({
    resourceType: 'Consent',
    id: story.id('consent'),
    status: 'active',
    scope: concept(systems.consentScope, 'patient-privacy', 'Privacy Consent'),
    category: [loinc('59284-0', 'Consent Document')],
    patient: story.patient,
    dateTime: dateTime(Math.max(story.born, story.today - 90 * day)),
    performer: [story.patient],
    organization: [organization(story.home)],
    policyRule: { coding: [coding(systems.actCode, 'OPTIN', 'opt-in')] },
    provision: {
      type: 'deny',
      period: { start: date(Math.max(story.born, story.today - 90 * day)) },
      actor: [
        {
          role: concept(systems.participation, 'PRCP', 'primary information recipient'),
          reference: organization(elsewhere),
        },
      ],
    },
  });
}

// One visit to a clinic of the sample district, from the encounter to the bill.
// https://hl7.org/fhir/R4/encounter.html
import type { JsonObject } from '../../fhir/json.js';
import { date, dateTime, day, hour, minute, yearsBetween } from './calendar.js';
import { coding, concept, identifierSystems, snomed, systems } from './codes.js';
import { acuteIllnesses, vaccines, type Illness } from './illnesses.js';
import { tellLaboratory } from './laboratory.js';
import { tellPrescription } from './prescription.js';
import {
  organization,
  practitioner,
  reference,
  staffOf,
  type Facility,
  type Staff,
  type Story,
} from './story.js';
import { tellVitals } from './vitals.js';

export interface Visit {
  /** Milliseconds. */
  readonly start: number;
  readonly illness: Illness;
  /** Known and treated for long: no new Condition, refills. */
  readonly chronic: boolean;
  /** Where it was booked. */
  readonly appointment?: JsonObject;
  readonly doctor: Staff;
  readonly stature: number;
  readonly hypertensive: boolean;
}

/** Something a person of this age comes with. */
export const acuteIllness = (story: Story, age: number): Illness =>
  story.random.pick(acuteIllnesses.filter(({ ages: [from, to] }) => age >= from && age <= to));

export function tellVisit(story: Story, visit: Visit): void {
  const { random } = story;
  const { illness, doctor, start } = visit;
  const facility = doctor.facility;
  // A stay is over by the sample's day; who came too recently is treated as an outpatient.
  const nights = random.chance(illness.admission ?? 0) ? random.int(2, 6) : 0;
  const admitted = nights > 0 && start + (nights + 1) * day < story.today;
  const end = admitted ? start + nights * day : start + random.int(2, 6) * 10 * minute;
  const age = yearsBetween(story.born, start);
  const reason = snomed(illness.snomed, illness.name);
  const nurse = staffOf(facility, 'nurse', random);

  const encounterId = story.id('encounter');
  const encounter = story.tell({
    resourceType: 'Encounter',
    id: encounterId,
    identifier: [{ system: identifierSystems.visit, value: encounterId.toUpperCase() }],
    status: 'finished',
    class: encounterClass(illness, admitted),
    type: [admitted ? snomed('183452005', 'Encounter Inpatient') : encounterType(illness, visit.chronic)],
    subject: story.patient,
    participant: [
      {
        type: [concept(systems.participation, 'ATND', 'attender')],
        period: { start: dateTime(start), end: dateTime(end) },
        individual: practitioner(doctor),
      },
    ],
    ...(visit.appointment ? { appointment: [visit.appointment] } : {}),
    period: { start: dateTime(start), end: dateTime(end) },
    reasonCode: [reason],
    ...(admitted
      ? { hospitalization: { dischargeDisposition: concept(systems.dischargeDisposition, 'home', 'Home') } }
      : {}),
    location: [
      {
        location: reference(
          'Location',
          admitted ? facility.hospital.locations.ward : facility.locations.outpatients,
        ),
      },
    ],
    serviceProvider: organization(admitted ? facility.hospital : facility),
  });

  tellVitals(story, {
    encounter,
    when: dateTime(start + 5 * minute),
    performer: practitioner(nurse),
    age: (start - story.born) / (365.25 * day),
    illness,
    stature: visit.stature,
    hypertensive: visit.hypertensive,
  });
  if (!visit.chronic && illness.medicines.length > 0) tellCondition(story, visit, encounter, reason, end);
  for (const panel of illness.panels ?? []) {
    tellLaboratory(story, {
      panel,
      facility,
      encounter,
      orderedBy: doctor,
      when: start + 15 * minute,
      reason,
      urgent: illness.isEmergency ?? admitted,
    });
  }
  if (illness.procedure)
    tellProcedure(story, illness.procedure, encounter, doctor, start + 20 * minute, reason, facility);
  const given = age < 6 ? (illness.childMedicines ?? illness.medicines) : illness.medicines;
  for (const medicine of given) {
    tellPrescription(story, {
      medicine,
      encounter,
      prescribedBy: doctor,
      when: start + 30 * minute,
      reason,
      repeats: visit.chronic ? 2 : 0,
    });
  }
  if (random.chance(0.1)) tellBill(story, encounter, doctor, end);
}

function encounterClass(illness: Illness, admitted: boolean): JsonObject {
  if (admitted) return coding(systems.actCode, 'IMP', 'inpatient encounter');
  return illness.isEmergency
    ? coding(systems.actCode, 'EMER', 'emergency')
    : coding(systems.actCode, 'AMB', 'ambulatory');
}

function encounterType(illness: Illness, chronic: boolean): JsonObject {
  if (chronic) return snomed('390906007', 'Follow-up encounter');
  if (illness.visit) return snomed(...illness.visit);
  return illness.isEmergency
    ? snomed('50849002', 'Emergency room admission')
    : snomed('185345009', 'Encounter for symptom');
}

function tellCondition(
  story: Story,
  visit: Visit,
  encounter: JsonObject,
  code: JsonObject,
  end: number,
): void {
  const over = end + (visit.illness.lasts ?? 14) * day;
  const isOver = over < story.today;
  story.tell({
    resourceType: 'Condition',
    id: story.id('condition'),
    clinicalStatus: isOver
      ? concept(systems.conditionClinical, 'resolved', 'Resolved')
      : concept(systems.conditionClinical, 'active', 'Active'),
    verificationStatus: concept(systems.conditionVerification, 'confirmed', 'Confirmed'),
    category: [concept(systems.conditionCategory, 'encounter-diagnosis', 'Encounter Diagnosis')],
    code,
    subject: story.patient,
    encounter,
    onsetDateTime: date(Math.max(story.born, visit.start - story.random.int(1, 5) * day)),
    ...(isOver ? { abatementDateTime: date(over) } : {}),
    recordedDate: dateTime(visit.start + 25 * minute),
    recorder: practitioner(visit.doctor),
  });
}

function tellProcedure(
  story: Story,
  [code, name]: readonly [string, string],
  encounter: JsonObject,
  doctor: Staff,
  start: number,
  reason: JsonObject,
  facility: Facility,
): void {
  story.tell({
    resourceType: 'Procedure',
    id: story.id('procedure'),
    status: 'completed',
    code: snomed(code, name),
    subject: story.patient,
    encounter,
    performedPeriod: { start: dateTime(start), end: dateTime(start + 15 * minute) },
    performer: [{ actor: practitioner(doctor), onBehalfOf: organization(facility) }],
    reasonCode: [reason],
  });
}

/** What a visit costs at a government facility: maloti. */
function tellBill(story: Story, encounter: JsonObject, doctor: Staff, when: number): void {
  const fee = { value: doctor.facility.isHospital ? 15 : 10, currency: 'LSL' };
  const item = story.tell({
    resourceType: 'ChargeItem',
    id: story.id('charge'),
    status: 'billed',
    code: {
      coding: [coding(identifierSystems.tariff, 'OPD', 'Outpatient consultation')],
      text: 'Outpatient consultation',
    },
    subject: story.patient,
    context: encounter,
    occurrenceDateTime: dateTime(when),
    performer: [{ actor: practitioner(doctor) }],
    performingOrganization: organization(doctor.facility),
    quantity: { value: 1 },
    priceOverride: fee,
  });
  const id = story.id('invoice');
  story.tell({
    resourceType: 'Invoice',
    id,
    identifier: [{ system: identifierSystems.invoice, value: id.toUpperCase() }],
    status: story.random.chance(0.7) ? 'balanced' : 'issued',
    subject: story.patient,
    recipient: story.patient,
    date: dateTime(when),
    issuer: organization(doctor.facility),
    lineItem: [{ sequence: 1, chargeItemReference: item, priceComponent: [{ type: 'base', amount: fee }] }],
    totalNet: fee,
    totalGross: fee,
  });
}

/** Every dose that was due before the sample's day, a few of them missed. */
export function tellImmunizations(story: Story): void {
  const { random } = story;
  for (const vaccine of vaccines) {
    for (const [i, age] of vaccine.ageInDays.entries()) {
      const when = story.born + (age + random.int(0, 6)) * day + 10 * hour;
      if (when > story.today) continue;
      const missed = random.chance(0.04);
      const atMouth = vaccine.site === 'oral';
      story.tell({
        resourceType: 'Immunization',
        id: story.id('immunization'),
        status: missed ? 'not-done' : 'completed',
        ...(missed ? { statusReason: { text: 'Vaccine was not in stock' } } : {}),
        vaccineCode: concept(systems.cvx, vaccine.cvx, vaccine.name),
        patient: story.patient,
        occurrenceDateTime: dateTime(when),
        primarySource: true,
        location: reference('Location', story.home.locations.outpatients),
        ...(missed
          ? {}
          : {
              lotNumber: `L${random.int(1000, 9999)}`,
              ...(atMouth
                ? { route: { text: 'By mouth' } }
                : {
                    site: { text: vaccine.site === 'LA' ? 'Left arm' : 'Right arm' },
                    route: { text: 'Injection' },
                  }),
            }),
        performer: [{ actor: practitioner(staffOf(story.home, 'nurse', random)) }],
        protocolApplied: [
          {
            targetDisease: [snomed(vaccine.disease[0], vaccine.disease[1])],
            doseNumberPositiveInt: i + 1,
            seriesDosesPositiveInt: vaccine.ageInDays.length,
          },
        ],
      });
    }
  }
}

// Prescriptions of the sample district. https://hl7.org/fhir/R4/medicationrequest.html
import type { JsonObject } from '../../fhir/json.js';
import { date, dateTime, day } from './calendar.js';
import { concept, quantity, snomed, systems } from './codes.js';
import { insteadOfPenicillin, type Medicine } from './illnesses.js';
import { practitioner, type Staff, type Story } from './story.js';

const oral = snomed('26643006', 'Oral route');
const inhaled = snomed('447694001', 'Respiratory tract route');

export interface Prescribed {
  readonly medicine: Medicine;
  readonly encounter: JsonObject;
  readonly prescribedBy: Staff;
  /** Milliseconds. */
  readonly when: number;
  readonly reason: JsonObject;
  /** Refills, for illnesses that stay. */
  readonly repeats: number;
}

export function tellPrescription(story: Story, order: Prescribed): void {
  const medicine =
    order.medicine.isPenicillin && story.penicillinAllergy ? insteadOfPenicillin : order.medicine;
  const { unit, dose, timesADay, days } = medicine;
  const units = unit === 'mL' ? 'mL' : `{${unit}}`;
  const ends = order.when + days * (order.repeats + 1) * day;
  const id = story.id('prescription');
  story.tell({
    resourceType: 'MedicationRequest',
    id,
    status: ends > story.today ? 'active' : 'completed',
    intent: 'order',
    medicationCodeableConcept: concept(systems.atc, medicine.atc, medicine.name),
    subject: story.patient,
    encounter: order.encounter,
    authoredOn: dateTime(order.when),
    requester: practitioner(order.prescribedBy),
    reasonCode: [order.reason],
    dosageInstruction: [
      {
        text: medicine.instruction,
        timing: { repeat: { frequency: timesADay, period: 1, periodUnit: 'd' } },
        route: unit === 'puff' ? inhaled : oral,
        doseAndRate: [{ doseQuantity: quantity(dose, units, unit) }],
      },
    ],
    dispenseRequest: {
      validityPeriod: { start: date(order.when), end: date(ends) },
      numberOfRepeatsAllowed: order.repeats,
      quantity: quantity(dose * timesADay * days, units, unit),
      expectedSupplyDuration: { value: days, unit: 'days', system: systems.ucum, code: 'd' },
    },
  });
}

// From the order to the report: ServiceRequest, Specimen, Observations and DiagnosticReport of the sample district.
// https://hl7.org/fhir/R4/diagnosticreport.html
import type { JsonObject } from '../../fhir/json.js';
import {
  concept,
  identifierSystems,
  interpretations,
  laboratory,
  quantity,
  snomed,
  systems,
} from './codes.js';
import { dateTime, hour } from './calendar.js';
import { panels, type Panel } from './panels.js';
import { organization, practitioner, staffOf, type Facility, type Staff, type Story } from './story.js';

const detected = snomed('260373001', 'Detected');
const notDetected = snomed('260415000', 'Not detected');

export interface Ordered {
  readonly panel: Panel;
  readonly facility: Facility;
  readonly encounter: JsonObject;
  readonly orderedBy: Staff;
  /** Milliseconds. */
  readonly when: number;
  readonly reason: JsonObject;
  readonly urgent: boolean;
}

/** Tells an order and, where the sample's day leaves the time, its specimen, results and report. */
export function tellLaboratory(story: Story, order: Ordered): void {
  const { random } = story;
  const panel = panels[order.panel];
  const hospital = order.facility.hospital;
  const collected = order.when + 0.5 * hour;
  const resulted = collected + random.int(2, 30) * hour;
  const reported = resulted + hour;
  const pending = reported > story.today;
  const orderId = story.id('order');

  const request = story.tell({
    resourceType: 'ServiceRequest',
    id: orderId,
    identifier: [{ system: identifierSystems.order, value: orderId.toUpperCase() }],
    status: pending ? 'active' : 'completed',
    intent: 'order',
    category: [snomed('108252007', 'Laboratory procedure')],
    priority: order.urgent ? 'urgent' : 'routine',
    code: panel.code,
    subject: story.patient,
    encounter: order.encounter,
    authoredOn: dateTime(order.when),
    requester: practitioner(order.orderedBy),
    performer: [organization(hospital)],
    reasonCode: [order.reason],
  });
  if (collected > story.today) return;

  const technologist = staffOf(hospital, 'laboratory', random);
  const specimenId = story.id('specimen');
  const specimen = story.tell({
    resourceType: 'Specimen',
    id: specimenId,
    accessionIdentifier: { system: identifierSystems.accession, value: specimenId.toUpperCase() },
    status: 'available',
    type: panel.specimen,
    subject: story.patient,
    receivedTime: dateTime(collected + hour),
    request: [request],
    collection: { collector: practitioner(order.orderedBy), collectedDateTime: dateTime(collected) },
  });
  if (pending) return;

  const ill = random.chance(0.3);
  const shared = {
    basedOn: [request],
    category: laboratory,
    subject: story.patient,
    encounter: order.encounter,
    effectiveDateTime: dateTime(collected),
    issued: dateTime(resulted),
    performer: [practitioner(technologist)],
    specimen,
  };
  // A corrected result now and then; both stay in agreement with their report.
  const status = random.chance(0.03) ? 'corrected' : 'final';
  const result: JsonObject[] = [];
  let remark = 'All results within the reference ranges.';
  for (const measurement of panel.measurements) {
    const [mean, spread] = (ill ? measurement.ill : undefined) ?? measurement.usual;
    const [least, most] = measurement.bounds;
    const value = Math.min(most, Math.max(least, random.around(mean, spread, measurement.digits)));
    const { low, high, unit, label } = measurement;
    const verdict =
      low !== undefined && value < low ? 'low' : high !== undefined && value > high ? 'high' : 'normal';
    if (verdict !== 'normal') remark = 'Some results lie outside the reference ranges.';
    result.push(
      story.tell({
        resourceType: 'Observation',
        id: story.id('observation'),
        status,
        code: measurement.code,
        ...shared,
        valueQuantity: quantity(value, unit, label),
        interpretation: interpretations[verdict],
        referenceRange: [
          {
            ...(low === undefined ? {} : { low: quantity(low, unit, label) }),
            ...(high === undefined ? {} : { high: quantity(high, unit, label) }),
          },
        ],
      }),
    );
  }
  for (const finding of panel.findings ?? []) {
    const positive = random.chance(finding.positive);
    remark = positive ? 'Detected.' : 'Not detected.';
    result.push(
      story.tell({
        resourceType: 'Observation',
        id: story.id('observation'),
        status,
        code: finding.code,
        ...shared,
        valueCodeableConcept: positive ? detected : notDetected,
        interpretation: positive ? interpretations.positive : interpretations.negative,
      }),
    );
  }
  const reportId = story.id('report');
  story.tell({
    resourceType: 'DiagnosticReport',
    id: reportId,
    identifier: [{ system: identifierSystems.filler, value: reportId.toUpperCase() }],
    basedOn: [request],
    status,
    category: [concept(systems.diagnosticSection, 'LAB', 'Laboratory')],
    code: panel.code,
    subject: story.patient,
    encounter: order.encounter,
    effectiveDateTime: dateTime(collected),
    issued: dateTime(reported),
    performer: [organization(hospital), practitioner(technologist)],
    specimen: [specimen],
    result,
    conclusion: remark,
  });
}

// From an identity to what patients' consents let it see: a condition on labels, of the same size however many consents
// there are. docs/consent.md
import { inCompartment, typesInCompartment } from '../search/compartment.js';
import { all, and, not, or, type Node } from '../search/plan.js';
import { leaf } from '../search/types/search-type.js';
import { consentSystem, denies, everyone, forPurpose, permits } from './patient-consent.js';

/** What holds where a patient has said nothing. https://profiles.ihe.net/ITI/PCF/ */
export const implicitPolicies = ['permit', 'treatment', 'break-glass', 'deny'] as const;
export type ImplicitPolicy = (typeof implicitPolicies)[number];

export interface Viewer {
  /** What consents may call them: `Practitioner/7`, `Organization/2`, `role:nurse`, `client:app`. */
  readonly names: readonly string[];
  /** A code of v3-ActReason. */
  readonly purpose: string | undefined;
  /** The patient they are: nobody hides a record from themselves. */
  readonly own: string | undefined;
  /** Patients whose consent they have broken, with a reason, for a time. */
  readonly broken: readonly string[];
  /** Patients of an age at which who stands for them does not see what is sensitive. */
  readonly discreet?: readonly string[];
}

/** The audit trail is no part of the record: who may read it, a role says. */
const inRecord: ReadonlySet<string> = new Set(
  typesInCompartment('Patient').filter(type => type !== 'AuditEvent'),
);

const labelled = (codes: readonly string[]): Node =>
  leaf('token', '_security', [
    { column: 'system', is: 'eq', value: consentSystem },
    { column: 'code', is: 'in', values: codes },
  ]);

/** Labels of what is talked about with few: https://hl7.org/fhir/R4/v3/InformationSensitivityPolicy/vs.html */
const sensitive = ['ETH', 'GDIS', 'HIV', 'MST', 'PREGNANT', 'PSY', 'SCA', 'SDV', 'SEX', 'SPI', 'SUD', 'STD', 'TBOO', 'BH', 'R', 'V']; // prettier-ignore

/**
 * @param filling patients a consent of whose is being carried out: denied until it is
 * @param isSought for reads and searches: what a Provenance is about is looked at, which writes cannot be judged by
 */
export function consentNode(
  type: string,
  viewer: Viewer,
  policy: ImplicitPolicy,
  filling: Iterable<string>,
  isSought: boolean,
): Node {
  if (!inRecord.has(type)) return all;
  const { names, purpose, own, broken, discreet = [] } = viewer;
  const withPurpose = (name: string): string[] => [name, forPurpose(name, purpose)];
  const mine = names.flatMap(withPurpose);
  const theirs = [...mine, ...withPurpose(everyone)];
  const permitted = labelled(mine.map(permits));
  const open = policy === 'permit' || (policy === 'treatment' && purpose === 'TREAT');
  const byLabels = and(
    not(labelled(mine.map(denies))),
    or(not(labelled(withPurpose(everyone).map(denies))), permitted),
    open ? all : labelled(theirs.map(permits)),
  );
  const closing = [...filling];
  const seen = and(
    byLabels,
    ...closing.map(id => not(recordOf(type, id))),
    ...discreet.map(id => not(and(recordOf(type, id), leaf('token', '_security', [{ column: 'code', is: 'in', values: sensitive }])))), // prettier-ignore
    type === 'Provenance' && isSought && open && own === undefined
      ? aboutNothing(not(byLabels), closing)
      : all,
  );
  return or(seen, ...[...(own === undefined ? [] : [own]), ...broken].map(id => recordOf(type, id)));
}

const targets = [...inRecord];

/** It tells who made or changed what is hidden, and when: no target of it is. */
const aboutNothing = (hidden: Node, closing: readonly string[]): Node =>
  not({
    op: 'link',
    param: 'target',
    types: targets,
    node: or(hidden, ...closing.map(id => inCompartment('Patient', id, targets))),
  });

const recordOf = (type: string, id: string): Node => inCompartment('Patient', id, [type]);

// The audit trail is only ever added to. https://hl7.org/fhir/R4/auditevent.html#bnr
import { FhirError } from '../errors.js';

/** Refuses every change of an AuditEvent, whichever path it comes by. */
export const auditRule = {
  types: ['AuditEvent'],
  judge(before: unknown): Promise<Record<string, never>> {
    if (before === undefined) return Promise.resolve({});
    return Promise.reject(
      new FhirError('forbidden', 'An AuditEvent can be added, and neither changed nor deleted.'),
    );
  },
};

// Elements that contradict themselves wherever they stand: attachments whose size is not that of their data, identifiers
// that say URI and are none. https://hl7.org/fhir/R4/datatypes.html#Attachment, https://hl7.org/fhir/R4/datatypes.html#Identifier
import { isNumber, type JsonObject } from '../../fhir/json.js';
import type { ResourceRule } from '../finding.js';
import { eachOwn } from './narrative.js';
import { textIn } from './reading.js';

export const elements: ResourceRule = (resource, path, report) => {
  eachOwn(resource, path, (object, place) => {
    const data = textIn(object, 'data');
    const { size } = object;
    if (data !== undefined && isNumber(size ?? null)) {
      const found = sizeOf(data);
      if (Number(size) !== found)
        report({
          severity: 'error',
          code: 'value',
          expression: place,
          text: `The attachment says it has ${String(size)} bytes; its data has ${found}.`,
          rule: 'attachment-size',
        });
    }
    const system = textIn(object, 'system');
    // Of what has a system and a text, only a ContactPoint's is a code.
    if (
      system !== undefined &&
      textIn(object, 'value') !== undefined &&
      !contactSystems.has(system) &&
      !system.includes(':')
    )
      report({
        severity: 'error',
        code: 'value',
        expression: place,
        text: `The system "${system.slice(0, 100)}" of an identifier is relative; expected an absolute uri.`,
        rule: 'identifier-system',
      });
    if (system === 'urn:ietf:rfc:3986') judgeUri(object, place, report);
  });
};

/** https://hl7.org/fhir/R4/valueset-contact-point-system.html */
const contactSystems = new Set(['phone', 'fax', 'email', 'pager', 'url', 'sms', 'other']);

function sizeOf(base64: string): number {
  const text = base64.replace(/\s+/g, '');
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length * 3) / 4 - padding;
}

const judgeUri = (object: JsonObject, place: string, report: Parameters<ResourceRule>[2]): void => {
  const value = textIn(object, 'value');
  if (value === undefined || /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(value)) return;
  report({
    severity: 'error',
    code: 'value',
    expression: place,
    text: `An identifier of system urn:ietf:rfc:3986 is a whole URI, such as urn:oid:1.2.3, not "${value.slice(0, 100)}".`,
    rule: 'identifier-uri',
  });
};

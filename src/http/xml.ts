// XML at the edge: a body in XML becomes the JSON that everything behind reads, and a response in JSON the XML that was
// asked for. https://hl7.org/fhir/R4/xml.html
import { parseInTurns, pausing, writeInTurns } from '../fhir/in-turns.js';
import type { Resource } from '../fhir/resource.js';
import { parseXmlInTurns } from '../fhir/xml-read.js';
import { writeXmlInTurns } from '../fhir/xml-write.js';
import { fhirJson } from '../interactions/answer.js';
import type { FhirRequest, FhirResponse } from '../interactions/exchange.js';
import type { Format } from '../interactions/media.js';

/** @throws FhirError for what is no FHIR in XML */
export async function withJsonBody(request: FhirRequest): Promise<FhirRequest> {
  const pause = pausing();
  const resource = await parseXmlInTurns(request.body!, pause);
  return {
    ...request,
    headers: { ...request.headers, 'content-type': fhirJson },
    body: await writeInTurns(resource, 'entry', pause),
  };
}

/** The response in XML where it is FHIR; raw content stays as it is. */
export async function inXml(response: FhirResponse, format: Format, pretty: boolean): Promise<FhirResponse> {
  const { headers, body } = response;
  if (body === undefined || body.length === 0 || headers['content-type'] !== fhirJson) return response;
  const pause = pausing();
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const resource = (await parseInTurns(bytes, 'entry', pause)) as Resource;
  return {
    ...response,
    headers: { ...headers, 'content-type': format.contentType },
    body: await writeXmlInTurns(resource, pause, pretty ? 2 : 0),
  };
}

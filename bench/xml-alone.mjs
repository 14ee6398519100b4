// XML and JSON of the same resources, there and back, one after another on one core.
import { answering } from './children.mjs';
import { parseJson, writeJson } from '../dist/fhir/json.js';
import { parseXml } from '../dist/fhir/xml-read.js';
import { writeXml } from '../dist/fhir/xml-write.js';

let json = [];
let xml = [];

const perSecond = (many, work) => {
  const started = performance.now();
  work();
  return (many / (performance.now() - started)) * 1000;
};

answering({
  take(texts) {
    json = texts.map(text => Buffer.from(text));
    xml = json.map(bytes => Buffer.from(writeXml(parseJson(bytes))));
  },
  round() {
    const parsed = json.map(bytes => parseJson(bytes));
    const megabytes = xml.reduce((sum, bytes) => sum + bytes.length, 0) / 1e6;
    return {
      jsonParse: perSecond(json.length, () => json.forEach(bytes => JSON.parse(bytes.toString()))),
      'xml-read': perSecond(xml.length, () => xml.forEach(bytes => parseXml(bytes))),
      'xml-to-json': perSecond(xml.length, () =>
        xml.forEach(bytes => Buffer.from(writeJson(parseXml(bytes)))),
      ),
      'json-to-xml': perSecond(json.length, () =>
        json.forEach(bytes => Buffer.from(writeXml(parseJson(bytes)))),
      ),
      'xml-write': perSecond(parsed.length, () => parsed.forEach(resource => writeXml(resource))),
      'xml-megabytes': perSecond(megabytes, () => xml.forEach(bytes => parseXml(bytes))),
    };
  },
});

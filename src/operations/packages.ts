// Installs the package of an implementation guide.
// ImplementationGuide/$install takes Parameters with the package as npmContent, as other servers do; R4 has no such
// operation of its own. https://hl7.org/fhir/R4/packages.html
import { FhirError } from '../errors.js';
import { isObject, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import type { Handler } from '../interactions/context.js';
import { resourceOf } from '../interactions/prepare.js';
import { packed, type Installed, type KeptPackage } from '../validation/installed.js';
import { readPackage } from '../validation/package.js';

export const installPackage: Handler = async ({ request, settings }) => {
  const parameters = resourceOf(request.body, 'Parameters');
  const content = contentIn(parameters);
  const found = readPackage(content);
  const kept = packed(found);
  await settings.installPackage(kept);
  const missing = Object.entries(found.dependencies).filter(
    ([name, version]) => name !== 'hl7.fhir.r4.core' && !has(settings.validation.installed, name, version),
  );
  return sendResource({ status: 200 }, answerOf(kept, missing), request);
};

const has = (installed: Installed, name: string, version: string): boolean =>
  installed.list().some(one => one.name === name && (one.version === version || /[x*]/.test(version)));

function contentIn(parameters: Resource): Buffer {
  const list = Array.isArray(parameters['parameter']) ? parameters['parameter'] : [];
  const found = list.find(one => isObject(one) && one['name'] === 'npmContent');
  const value = isObject(found) ? found['valueBase64Binary'] : undefined;
  if (typeof value !== 'string')
    throw new FhirError(
      'required',
      'The operation takes Parameters with a parameter "npmContent": the package (.tgz) as valueBase64Binary.',
      { expression: 'Parameters.parameter' },
    );
  return Buffer.from(value, 'base64');
}

function answerOf(kept: KeptPackage, missing: readonly (readonly [string, string])[]): Resource {
  const parameter: JsonObject[] = [
    { name: 'name', valueString: kept.name },
    { name: 'version', valueString: kept.version },
    { name: 'definitions', valueInteger: kept.keys.length },
    ...missing.map(([name, version]) => ({ name: 'missing', valueString: `${name}#${version}` })),
  ];
  return { resourceType: 'Parameters', parameter };
}

// $expunge: removes versions for good, by configuration. What is gone cannot be brought back, except from a backup.
// Not of the specification; the parameters are those HAPI made customary: expungeDeletedResources, expungePreviousVersions,
// expungeEverything.
import { mayDo } from '../auth/grant.js';
import { FhirError } from '../errors.js';
import { isObject } from '../fhir/json.js';
import { refKey } from '../fhir/resource.js';
import { sendResource } from '../interactions/answer.js';
import { inTurn } from '../interactions/commit.js';
import type { Handler } from '../interactions/context.js';
import { resourceOf } from '../interactions/prepare.js';

const names = ['expungeDeletedResources', 'expungePreviousVersions', 'expungeEverything'];

/** POST [type]/[id]/$expunge */
export const expunge: Handler = async context => {
  const { request, settings, store, type, id } = context;
  if (!settings.expunge) throw new FhirError('forbidden', '$expunge is switched off on this server.');
  if (!mayDo(context.grant, 'expunge')) throw new FhirError('forbidden', 'You may not expunge.');
  const ref = { type, id };
  const parameters = resourceOf(request.body, 'Parameters');
  const asked = new Set<string>();
  for (const parameter of Array.isArray(parameters['parameter']) ? parameters['parameter'] : []) {
    if (!isObject(parameter)) continue;
    const name = String(parameter['name']);
    if (!names.includes(name))
      throw new FhirError('value', `$expunge takes ${names.join(', ')}, not "${name}".`, {
        expression: 'Parameters.parameter',
      });
    if (parameter['valueBoolean'] === true) asked.add(name);
  }
  if (asked.size === 0)
    throw new FhirError('required', `Set one of ${names.join(', ')} to true.`, {
      expression: 'Parameters.parameter',
    });
  const removed = await inTurn([refKey(ref)], async () => {
    const current = await store.read(ref);
    if (current === undefined) throw new FhirError('not-found', `There is no ${refKey(ref)}.`);
    const deleted = current.body === undefined;
    if (asked.has('expungeEverything') || (asked.has('expungeDeletedResources') && deleted))
      return store.expunge(ref, 'everything');
    if (asked.has('expungePreviousVersions')) return store.expunge(ref, 'history');
    throw new FhirError(
      'conflict',
      `${refKey(ref)} is not deleted; expungeDeletedResources alone leaves it.`,
    );
  });
  return sendResource(
    { status: 200 },
    { resourceType: 'Parameters', parameter: [{ name: 'count', valueInteger: removed }] },
    request,
  );
};

// $move: a patient's record goes to another facility of the district. Not of the specification. docs/facilities.md
import { isUnrestricted } from '../auth/grant.js';
import { FhirError } from '../errors.js';
import { isObject } from '../fhir/json.js';
import { sendResource } from '../interactions/answer.js';
import { inTurn } from '../interactions/commit.js';
import type { Handler } from '../interactions/context.js';
import { resourceOf } from '../interactions/prepare.js';

/** POST Patient/[id]/$move with the parameter `facility` */
export const move: Handler = async ({ request, settings, store, grant, type, id }) => {
  if (settings.move === undefined)
    throw new FhirError('not-found', 'The operation $move is at the address of a district with facilities.');
  if (!isUnrestricted(grant) || grant.facility !== undefined)
    throw new FhirError('forbidden', 'Only who may see and change everything moves a patient.');
  const parameters = resourceOf(request.body, 'Parameters')['parameter'];
  const [facility] = (Array.isArray(parameters) ? parameters : []).flatMap(one =>
    isObject(one) && one['name'] === 'facility' ? [one['valueCode'] ?? one['valueString']] : [],
  );
  if (typeof facility !== 'string')
    throw new FhirError(
      'required',
      'Name the facility to move to: the parameter facility, with a valueCode.',
      {
        expression: 'Parameters.parameter',
      },
    );
  await store.read({ type, id }); // the audit trail names whose record it was
  const moved = await inTurn([`${type}/${id}`], () => settings.move!(id, facility));
  return sendResource(
    { status: 200 },
    { resourceType: 'Parameters', parameter: [{ name: 'count', valueInteger: moved }] },
    request,
  );
};

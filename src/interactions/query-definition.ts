// The named queries as OperationDefinitions of kind `query`, read under the ids the CapabilityStatement gives.
// https://hl7.org/fhir/R4/operationdefinition.html
import type { JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import type { NamedQuery } from '../search/named-query.js';
import { sendResource } from './answer.js';
import type { Handler } from './context.js';
import { read } from './read.js';

export const queryDefinitionId = ({ type, name }: NamedQuery): string => `${type}-query-${name}`;

/** A read of an OperationDefinition: of a named query, else of a stored one. */
export const readOperationDefinition: Handler = context => {
  const { request, settings, id } = context;
  const query = settings.queries.find(one => queryDefinitionId(one) === id);
  if (query === undefined) return read(context);
  return Promise.resolve(
    sendResource({ status: 200, headers: {} }, definitionOf(query, request.base), request),
  );
};

function definitionOf(query: NamedQuery, base: string): Resource {
  const id = queryDefinitionId(query);
  return {
    resourceType: 'OperationDefinition',
    id,
    url: `${base}/OperationDefinition/${id}`,
    name: id.replaceAll('-', '_'),
    title: query.title,
    status: 'active',
    kind: 'query',
    description: query.says,
    affectsState: false,
    code: query.name,
    resource: [query.type],
    system: false,
    type: true,
    instance: false,
    parameter: query.parameters.map(({ name, type, required, says }): JsonObject => ({
      name,
      use: 'in',
      min: required ? 1 : 0,
      max: '1',
      documentation: says,
      type: 'string',
      searchType: type,
    })),
  };
}

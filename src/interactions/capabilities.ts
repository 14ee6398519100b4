// capabilities: what this server does, told from the routes and the search parameters themselves.
// https://hl7.org/fhir/R4/http.html#capabilities, https://hl7.org/fhir/R4/capabilitystatement.html
import { createHash } from 'node:crypto';
import { FhirError } from '../errors.js';
import { compartmentTypes } from '../fhir/compartments.js';
import { operationDefinitions, resourceTypes } from '../fhir/definitions.js';
import { instant } from '../fhir/ids.js';
import { writeJson, type JsonObject } from '../fhir/json.js';
import type { Resource } from '../fhir/resource.js';
import { terminologyCapabilities } from './terminology-capabilities.js';
import { parametersOf } from '../search/parameters.js';
import { sendBytes } from './answer.js';
import type { Context, Route, Settings } from './context.js';
import type { FhirResponse } from './exchange.js';
import { queryDefinitionId } from './query-definition.js';

/** GET metadata. `mode` is full, normative (the same here) or terminology. */
export function capabilities(context: Context, routes: readonly Route[]): Promise<FhirResponse> {
  const { request, settings } = context;
  const mode = request.query.find(([name]) => name === 'mode')?.[1] ?? 'full';
  if (!['full', 'normative', 'terminology'].includes(mode)) {
    throw new FhirError('value', `mode is full, normative or terminology, not "${mode}".`);
  }
  const { bytes, etag } =
    mode === 'terminology'
      ? stated(terminologyCapabilities(context, head(settings)))
      : statement(request.base, settings, routes);
  if (request.headers['if-none-match'] === etag) return Promise.resolve({ status: 304, headers: { etag } });
  return Promise.resolve(sendBytes({ status: 200, headers: { etag } }, bytes, request));
}

interface Statement {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** Statements by settings and search parameters, and within them by base: they seldom change, and are large. */
const made = new WeakMap<object, Map<string, Statement>>();
const mostBases = 100;
const started = Date.now();

function statement(base: string, settings: Settings, routes: readonly Route[]): Statement {
  const of = settings.custom ?? settings;
  let ours = made.get(of);
  if (ours === undefined) made.set(of, (ours = new Map<string, Statement>()));
  const known = ours.get(base);
  if (known !== undefined) return known;
  const fresh = stated(capabilityStatement(base, settings, routes));
  if (ours.size < mostBases) ours.set(base, fresh);
  return fresh;
}

function stated(resource: Resource): Statement {
  const bytes = Buffer.from(writeJson(resource));
  return { bytes, etag: `W/"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}

/** Those that are not of the specification. */
const ownOperations = ['expunge', 'move', 'reindex'];

const head = (settings: Settings): JsonObject => ({
  status: 'active',
  date: instant(started),
  kind: 'instance',
  software: { name: 'Tsela', version: settings.version },
});

const systemOperation = (base: string, code: string): string =>
  operationDefinitions().find(one => one.code === code)?.url ?? `${base}/OperationDefinition/${code}`;

function capabilityStatement(base: string, settings: Settings, routes: readonly Route[]): Resource {
  const codes = (isType: boolean): JsonObject[] =>
    [
      ...new Set(
        routes
          .filter(({ path }) => !path.startsWith('[compartment]') && path.startsWith('[type]') === isType)
          .map(route => route.interaction),
      ),
    ]
      .filter(code => code !== 'capabilities' && code !== 'operation')
      .map(code => ({ code }));
  const onType = codes(true);
  // One route serves both kinds of Bundle; the specification lists them apart.
  const onSystem = [{ code: 'transaction' }, ...codes(false)];
  const operationsOf = (type: string): JsonObject[] =>
    [
      ...new Map(
        routes
          .filter(
            ({ interaction, path, types }) =>
              interaction === 'operation' && path.startsWith('[type]') && (types?.includes(type) ?? true),
          )
          .map(({ path, types }) => [path.replace(/^.*\$/, ''), types]),
      ),
    ]
      .filter(([name]) => name !== 'expunge' || settings.expunge)
      .filter(([name]) => name !== 'move' || settings.move !== undefined)
      .map(([name, types]) => ({
        name,
        definition: ownOperations.includes(name)
          ? `${base}/OperationDefinition/${name}`
          : `http://hl7.org/fhir/OperationDefinition/${types === undefined ? 'Resource' : type}-${name}`,
      }));

  const resources = [...resourceTypes()].sort().map((type): JsonObject => {
    const parameters = [...parametersOf(type, settings.custom).values()];
    const references = parameters
      .filter(parameter => parameter.type === 'reference')
      .map(parameter => `${type}:${parameter.code}`);
    return {
      type,
      profile: `http://hl7.org/fhir/StructureDefinition/${type}`,
      interaction: onType,
      versioning: settings.requireIfMatch ? 'versioned-update' : 'versioned',
      readHistory: true,
      updateCreate: settings.clientIds,
      conditionalCreate: true,
      conditionalRead: 'full-support',
      conditionalUpdate: true,
      conditionalDelete: settings.conditionalDelete === 'off' ? 'not-supported' : settings.conditionalDelete,
      referencePolicy: settings.referencesMustExist
        ? ['literal', 'logical', 'enforced']
        : ['literal', 'logical'],
      ...(references.length === 0 ? {} : { searchInclude: references }),
      searchParam: [
        ...parameters.map(({ code, type: kind, url }) => ({ name: code, type: kind, definition: url })),
        {
          name: '_list',
          type: 'special',
          documentation: 'The id of a List that has the resource as an item.',
        },
        {
          name: '_text',
          type: 'special',
          documentation: 'Words of the narrative: all of them, "a phrase", OR, NOT, (), begin*.',
        },
        {
          name: '_content',
          type: 'special',
          documentation: 'Words of the whole resource, as in _text.',
        },
        {
          name: '_filter',
          type: 'special',
          documentation: 'An expression of comparisons: https://hl7.org/fhir/R4/search_filter.html',
        },
      ],
      operation: [
        ...operationsOf(type),
        ...settings.queries
          .filter(query => query.type === type)
          .map(query => ({
            name: query.name,
            definition: `${base}/OperationDefinition/${queryDefinitionId(query)}`,
            documentation: `${query.title}: ${type}?_query=${query.name}`,
          })),
      ],
    };
  });
  const security = settings.security?.();
  return {
    resourceType: 'CapabilityStatement',
    ...head(settings),
    implementation: { description: 'Tsela, a FHIR R4 server', url: base },
    fhirVersion: '4.0.1',
    format: ['application/fhir+json', 'application/fhir+xml', 'json', 'xml'],
    patchFormat: [
      'application/json-patch+json',
      'application/xml-patch+xml',
      'application/fhir+json',
      'application/fhir+xml',
    ],
    rest: [
      {
        mode: 'server',
        ...(security === undefined ? {} : { security }),
        resource: resources,
        interaction: onSystem,
        operation: routes
          .filter(({ interaction, path }) => interaction === 'operation' && /^\$[a-z-]+$/.test(path))
          .map(({ path }) => path.slice(1))
          .map(name => ({ name, definition: systemOperation(base, name) })),
        compartment: compartmentTypes.map(
          type => `http://hl7.org/fhir/CompartmentDefinition/${type.toLowerCase()}`,
        ),
      },
    ],
  };
}

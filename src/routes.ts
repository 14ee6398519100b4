// Every FHIR route as a row: what the path means, what it needs, and who serves it. dispatch.ts matches them,
// capabilities.ts announces them. https://hl7.org/fhir/R4/http.html#summary
import { bundle } from './interactions/batch.js';
import { capabilities } from './interactions/capabilities.js';
import type { Handler, Route } from './interactions/context.js';
import { create } from './interactions/create.js';
import { conditionalDelete, deleteById } from './interactions/delete.js';
import { history } from './interactions/history.js';
import { conditionalPatch, patch } from './interactions/patch.js';
import { readOperationDefinition } from './interactions/query-definition.js';
import { read, vread } from './interactions/read.js';
import { searchType } from './interactions/search-type.js';
import { conditionalUpdate, update } from './interactions/update.js';
import { createState, deleteState, searchState, updateState } from './operations/app-state.js';
import { breakGlass } from './operations/break-glass.js';
import { brokenGlass, markReviewed } from './operations/broken-glass.js';
import { disclosures } from './operations/disclosures.js';
import { cancelJob, jobStatus } from './operations/job.js';
import { closure } from './operations/closure.js';
import { everything } from './operations/everything.js';
import { expand } from './operations/expand.js';
import { expunge } from './operations/expunge.js';
import { lookup, subsumes } from './operations/lookup.js';
import { move } from './operations/move.js';
import { meta, metaAdd, metaDelete } from './operations/meta.js';
import { installPackage } from './operations/packages.js';
import { validate } from './operations/validate.js';
import { reindex, reindexOne } from './operations/reindex.js';
import { translateCode } from './operations/translate.js';
import { validateCodeInSystem, validateCodeInValueSet } from './operations/validate-code.js';

/** An operation that changes nothing: by GET and POST, on a type and where it has `instances` on each. */
const asking = (type: string, name: string, handler: Handler, instances: boolean): Route[] =>
  (['GET', 'POST'] as const).flatMap(method =>
    [`[type]/${name}`, ...(instances ? [`[type]/[id]/${name}`] : [])].map((path): Route => {
      return { method, path, types: [type], interaction: 'operation', permission: 'read', handler };
    }),
  );

export const routes: readonly Route[] = [
  {
    method: 'GET',
    path: 'metadata',
    interaction: 'capabilities',
    handler: context => capabilities(context, routes),
  },
  { method: 'POST', path: '', interaction: 'batch', handler: bundle },
  { method: 'GET', path: '', interaction: 'search-system', handler: searchType },
  { method: 'POST', path: '_search', interaction: 'search-system', handler: searchType },
  { method: 'GET', path: '_history', interaction: 'history-system', handler: history },

  { method: 'GET', path: '[type]', interaction: 'search-type', permission: 'search', handler: searchType },
  {
    method: 'POST',
    path: '[type]/_search',
    interaction: 'search-type',
    permission: 'search',
    handler: searchType,
  },
  { method: 'POST', path: '[type]', interaction: 'create', permission: 'create', handler: create },
  { method: 'PUT', path: '[type]', interaction: 'update', permission: 'update', handler: conditionalUpdate },
  { method: 'PATCH', path: '[type]', interaction: 'patch', permission: 'update', handler: conditionalPatch },
  {
    method: 'DELETE',
    path: '[type]',
    interaction: 'delete',
    permission: 'delete',
    handler: conditionalDelete,
  },
  {
    method: 'GET',
    path: '[type]/_history',
    interaction: 'history-type',
    permission: 'search',
    handler: history,
  },

  {
    method: 'GET',
    path: '[type]/[id]',
    types: ['OperationDefinition'],
    interaction: 'read',
    permission: 'read',
    handler: readOperationDefinition,
  },
  { method: 'GET', path: '[type]/[id]', interaction: 'read', permission: 'read', handler: read },
  { method: 'PUT', path: '[type]/[id]', interaction: 'update', permission: 'update', handler: update },
  { method: 'PATCH', path: '[type]/[id]', interaction: 'patch', permission: 'update', handler: patch },
  { method: 'DELETE', path: '[type]/[id]', interaction: 'delete', permission: 'delete', handler: deleteById },
  {
    method: 'GET',
    path: '[type]/[id]/_history',
    interaction: 'history-instance',
    permission: 'read',
    handler: history,
  },
  {
    method: 'GET',
    path: '[type]/[id]/_history/[vid]',
    interaction: 'vread',
    permission: 'read',
    handler: vread,
  },

  {
    method: 'GET',
    path: '[compartment]/[id]/[type]',
    interaction: 'search-type',
    permission: 'search',
    handler: searchType,
  },
  {
    method: 'POST',
    path: '[compartment]/[id]/[type]/_search',
    interaction: 'search-type',
    permission: 'search',
    handler: searchType,
  },
  { method: 'GET', path: '[compartment]/[id]/*', interaction: 'search-system', handler: searchType },
  { method: 'POST', path: '[compartment]/[id]/*/_search', interaction: 'search-system', handler: searchType },

  { method: 'GET', path: '[type]/[id]/$meta', interaction: 'operation', permission: 'read', handler: meta },
  { method: 'POST', path: '[type]/[id]/$meta', interaction: 'operation', permission: 'read', handler: meta },
  ...(['GET', 'POST'] as const).flatMap((method): Route[] => [
    {
      method,
      path: '[type]/[id]/$validate',
      interaction: 'operation',
      permission: 'read',
      handler: validate,
    },
    {
      method,
      path: '[type]/[id]/$everything',
      types: ['Patient', 'Encounter'],
      interaction: 'operation',
      permission: 'read',
      handler: everything,
    },
    {
      method,
      path: '[type]/$everything',
      types: ['Patient'],
      interaction: 'operation',
      permission: 'search',
      handler: everything,
    },
  ]),
  { method: 'POST', path: '$validate', interaction: 'operation', handler: validate },
  {
    method: 'POST',
    path: '[type]/$validate',
    interaction: 'operation',
    permission: 'read',
    handler: validate,
  },
  {
    method: 'POST',
    path: '[type]/$install',
    types: ['ImplementationGuide'],
    interaction: 'operation',
    permission: 'create',
    handler: installPackage,
  },
  ...asking('CodeSystem', '$lookup', lookup, false),
  ...asking('CodeSystem', '$validate-code', validateCodeInSystem, true),
  ...asking('CodeSystem', '$subsumes', subsumes, true),
  ...asking('ValueSet', '$expand', expand, true),
  ...asking('ValueSet', '$validate-code', validateCodeInValueSet, true),
  ...asking('ConceptMap', '$translate', translateCode, true),
  { method: 'POST', path: '$closure', interaction: 'operation', handler: closure },
  {
    method: 'POST',
    path: '[type]/[id]/$meta-add',
    interaction: 'operation',
    permission: 'update',
    handler: metaAdd,
  },
  {
    method: 'POST',
    path: '[type]/[id]/$meta-delete',
    interaction: 'operation',
    permission: 'update',
    handler: metaDelete,
  },
  {
    method: 'POST',
    path: '[type]/[id]/$move',
    types: ['Patient'],
    interaction: 'operation',
    permission: 'update',
    handler: move,
  },
  {
    method: 'POST',
    path: '[type]/[id]/$break-glass',
    types: ['Patient'],
    interaction: 'operation',
    permission: 'read',
    handler: breakGlass,
  },
  {
    method: 'GET',
    path: '[type]/$broken-glass',
    types: ['AuditEvent'],
    interaction: 'operation',
    permission: 'search',
    handler: brokenGlass,
  },
  {
    method: 'POST',
    path: '[type]/[id]/$reviewed',
    types: ['AuditEvent'],
    interaction: 'operation',
    permission: 'read',
    handler: markReviewed,
  },
  {
    method: 'GET',
    path: '[type]/[id]/$disclosures',
    types: ['Patient'],
    interaction: 'operation',
    permission: 'read',
    handler: disclosures,
  },
  {
    method: 'POST',
    path: '[type]/[id]/$expunge',
    interaction: 'operation',
    permission: 'delete',
    handler: expunge,
  },

  {
    method: 'POST',
    path: '[type]/[id]/$reindex',
    types: ['SearchParameter'],
    interaction: 'operation',
    permission: 'update',
    handler: reindexOne,
  },
  {
    method: 'POST',
    path: '[type]/$reindex',
    types: ['SearchParameter'],
    interaction: 'operation',
    permission: 'update',
    handler: reindex,
  },
  { method: 'POST', path: '$reindex', interaction: 'operation', handler: reindex },
  { method: 'POST', path: 'app-state/Basic', interaction: 'operation', handler: createState },
  { method: 'GET', path: 'app-state/Basic', interaction: 'operation', handler: searchState },
  { method: 'PUT', path: 'app-state/Basic/[id]', interaction: 'operation', handler: updateState },
  { method: 'DELETE', path: 'app-state/Basic/[id]', interaction: 'operation', handler: deleteState },
  { method: 'GET', path: '$job/[id]', interaction: 'operation', handler: jobStatus },
  { method: 'DELETE', path: '$job/[id]', interaction: 'operation', handler: cancelJob },
];

// history of a resource, a type, or the system: every version, deletions among them. https://hl7.org/fhir/R4/http.html#history
import { FhirError } from '../errors.js';
import { instant } from '../fhir/ids.js';
import { refKey } from '../fhir/resource.js';
import { dateRange } from '../search/types/date.js';
import { openCursor, sealCursor } from '../search/page.js';
import type { HistoryScope, Version } from '../storage/store.js';
import { etag, formOfAnswer, sendBytes } from './answer.js';
import { bundleBytes, type Entry } from './bundle.js';
import { statusText } from './bundle-entry.js';
import type { Context, Handler } from './context.js';
import { checkId } from './prepare.js';

export const history: Handler = async context => {
  const { request, store, settings, type, id } = context;
  if (id !== '') {
    checkId(id);
    if ((await store.read({ type, id })) === undefined)
      throw new FhirError('not-found', `There is no ${type}/${id}, and never was.`);
  }
  const { scope, params } = scopeOf(context);
  const page = await store.history(scope);
  const path = [type, id, '_history'].filter(segment => segment !== '').join('/');
  const url = (query: URLSearchParams): string =>
    `${request.base}/${path}${query.size === 0 ? '' : `?${query.toString()}`}`;
  const links = [{ relation: 'self', url: url(new URLSearchParams(params)) }];
  if (page.next !== undefined) {
    const cursor = sealCursor(settings.cursorKey, {
      position: page.next,
      params,
      grant: context.grant.id,
      path,
    });
    const query = new URLSearchParams({ _cursor: cursor });
    for (const [name, value] of formOfAnswer(request)) query.append(name, value);
    links.push({ relation: 'next', url: url(query) });
  }
  const bytes = bundleBytes(
    {
      type: 'history',
      lastUpdated: Date.now(),
      links,
      ...(page.total === undefined ? {} : { total: page.total }),
    },
    page.versions.map(version => entryOf(request.base, version)),
  );
  return sendBytes({ status: 200, headers: {} }, bytes, request);
};

/** The parameters of the request, or those sealed in its page link. */
function scopeOf(context: Context): { scope: HistoryScope; params: [string, string][] } {
  const { request, settings, type, id } = context;
  const cursor = request.query.find(([name]) => name === '_cursor')?.[1];
  const path = [type, id, '_history'].filter(segment => segment !== '').join('/');
  const opened =
    cursor === undefined
      ? undefined
      : openCursor(settings.cursorKey, cursor, { grant: context.grant.id, path });
  const given: readonly (readonly [string, string])[] = opened?.params ?? request.query;
  const params: [string, string][] = [];
  let count = settings.defaultCount;
  let since: number | undefined;
  let at: HistoryScope['at'];
  let ascending = false;
  for (const [name, value] of given) {
    switch (name) {
      case '_format':
      case '_pretty':
        continue;
      case '_count':
        if (!/^[0-9]{1,9}$/.test(value))
          throw new FhirError('invalid-search', `_count is a whole number, not "${value}".`);
        count = Math.min(Number(value), settings.maxCount);
        break;
      case '_since': {
        // An unescaped + of the zone arrives as a space.
        const text = value.replace(' ', '+');
        if (
          !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ||
          Number.isNaN(Date.parse(text))
        ) {
          throw new FhirError(
            'invalid-search',
            `_since is an instant like 2027-01-04T10:00:00Z, not "${value}".`,
          );
        }
        since = Date.parse(text);
        break;
      }
      case '_at': {
        const { lo, hi } = dateRange(value, settings.zone);
        at = { from: lo, to: hi };
        break;
      }
      case '_sort':
        if (value !== '_lastUpdated' && value !== '-_lastUpdated') {
          throw new FhirError(
            'invalid-search',
            `A history sorts by _lastUpdated or -_lastUpdated, not "${value}".`,
          );
        }
        ascending = value === '_lastUpdated';
        break;
      default:
        throw new FhirError(
          'invalid-search',
          `A history takes _count, _since, _at and _sort, not "${name}".`,
        );
    }
    params.push([name, value]);
  }
  const scope: HistoryScope = {
    ...(type === '' ? {} : { type }),
    ...(id === '' ? {} : { id }),
    ...(since === undefined ? {} : { since }),
    ...(at === undefined ? {} : { at }),
    ...(opened === undefined ? { total: true } : { after: opened.position }),
    ascending,
    count,
  };
  return { scope, params };
}

const statusOf = (version: Version): number =>
  version.body === undefined ? 204 : version.version === 1 ? 201 : 200;

function entryOf(base: string, version: Version): Entry {
  const key = refKey(version.ref);
  return {
    fullUrl: `${base}/${key}`,
    ...(version.body === undefined ? {} : { resource: version.body }),
    request: { method: version.method, url: version.method === 'POST' ? version.ref.type : key },
    response: {
      status: statusText(statusOf(version)),
      etag: etag(version.version),
      lastModified: instant(version.lastUpdated),
    },
  };
}

// X-Tsela-Validation: a client may ask that its write be judged more strictly than the server does by itself, never less.
// docs/validation.md
import { FhirError } from '../errors.js';
import { levels } from '../validation/validation.js';
import type { Settings } from './context.js';
import type { FhirRequest } from './exchange.js';

export const levelHeader = 'x-tsela-validation';

/** The settings as the request wants them. @throws FhirError `value` for what is no level. */
export function leveled(settings: Settings, { headers }: FhirRequest): Settings {
  const asked = headers[levelHeader];
  if (asked === undefined) return settings;
  const level = levels.find(one => one === asked);
  if (level === undefined)
    throw new FhirError(
      'value',
      `X-Tsela-Validation takes ${levels.join(', ')}, not "${asked.slice(0, 80)}".`,
    );
  const { validation } = settings;
  if (levels.indexOf(level) <= levels.indexOf(validation.level)) return settings;
  return Object.create(settings, {
    validation: {
      value: {
        ...validation,
        level,
        judgeWrite: (resource: Parameters<typeof validation.judgeWrite>[0]) =>
          validation.judgeWrite(resource, level),
      },
    },
  }) as Settings;
}

/** An inner request, judged as strictly as the one it came in. */
export function asStrict(inner: FhirRequest, { headers }: FhirRequest): FhirRequest {
  const level = headers[levelHeader];
  return level === undefined ? inner : { ...inner, headers: { ...inner.headers, [levelHeader]: level } };
}

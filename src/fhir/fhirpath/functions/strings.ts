// Functions on texts. https://hl7.org/fhirpath/#string-manipulation
// Surprising: patterns run on an engine of our own, because a profile's author may write one that takes for ever.
import { FhirPathError } from '../fhirpath-error.js';
import {
  argument,
  boolean,
  integer,
  one,
  text,
  type Call,
  type Functions,
  type Get,
  type Run,
} from '../closure.js';
import { bounded, spend, type Context } from '../context.js';
import { tableOf } from '../../table.js';
import { compilePattern, type Pattern } from '../pattern.js';
import { nothing, systemOf, type Items, type SystemValue } from '../values.js';

/** A function of the text before the point and of texts in brackets; with any of them empty there is no result. */
const onTexts =
  (
    count: number,
    work: (self: string, args: readonly string[], context: Context) => SystemValue | Items | undefined,
  ) =>
  (call: Call): Run => {
    const self = text(call.of);
    const args = Array.from({ length: count }, (_, i) => text(call.run(argument(call, i))));
    return (focus, context) => {
      const value = self(focus, context);
      const given = args.map(get => get(focus, context));
      if (value === undefined || given.includes(undefined)) return nothing;
      spend(context, value.length >> 8);
      const result = work(value, given as string[], context);
      return Array.isArray(result) ? (result as Items) : one(result as SystemValue | undefined);
    };
  };

/** Patterns of a call: a literal is compiled once. */
const pattern = (call: Call): Get<Pattern> => {
  const ast = argument(call, 0);
  if (ast.kind === 'literal' && typeof ast.value === 'string') {
    const compiled = compilePattern(ast.value);
    return () => compiled;
  }
  const get = text(call.run(ast));
  return (focus, context) => {
    const source = get(focus, context);
    return source === undefined ? undefined : compilePattern(source);
  };
};

const encodings = tableOf<BufferEncoding>({ base64: 'base64', urlbase64: 'base64url', hex: 'hex' });
const encodingOf = (name: string): BufferEncoding => {
  const encoding = encodings(name);
  if (encoding === undefined)
    throw new FhirPathError('names an encoding other than base64, urlbase64 and hex');
  return encoding;
};
const entities: readonly (readonly [string, string])[] = [
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ["'", '&#39;'],
];

const substring = (call: Call): Run => {
  const self = text(call.of);
  const [start, length] = [
    integer(call.run(argument(call, 0))),
    call.args[1] && integer(call.run(call.args[1])),
  ];
  return (focus, context) => {
    const value = self(focus, context);
    const from = start(focus, context);
    if (value === undefined || from === undefined || from < 0 || from >= value.length) return nothing;
    const count = length?.(focus, context);
    return [value.slice(from, count === undefined ? undefined : from + Math.max(0, count))];
  };
};

const matching =
  (full: boolean) =>
  (call: Call): Run => {
    const [self, compiled] = [text(call.of), pattern(call)];
    return (focus, context) => {
      const [value, matcher] = [self(focus, context), compiled(focus, context)];
      if (value === undefined || matcher === undefined) return nothing;
      return boolean(matcher.test(value, full));
    };
  };

export const strings: Functions = {
  indexOf: onTexts(1, (self, [part]) => self.indexOf(part!)),
  lastIndexOf: onTexts(1, (self, [part]) => self.lastIndexOf(part!)),
  substring,
  startsWith: onTexts(1, (self, [part]) => self.startsWith(part!)),
  endsWith: onTexts(1, (self, [part]) => self.endsWith(part!)),
  contains: onTexts(1, (self, [part]) => self.includes(part!)),
  upper: onTexts(0, self => self.toUpperCase()),
  lower: onTexts(0, self => self.toLowerCase()),
  trim: onTexts(0, self => self.trim()),
  length: onTexts(0, self => self.length),
  toChars: onTexts(0, (self, _args, context) => {
    spend(context, self.length);
    return [...self];
  }),
  split: onTexts(1, (self, [separator], context) => {
    const parts = self.split(separator!);
    spend(context, parts.length);
    return parts;
  }),
  join: call => {
    const separator = call.args[0] === undefined ? () => '' : text(call.run(call.args[0]));
    return (focus, context) => {
      const items = call.of(focus, context);
      if (items.length === 0) return nothing;
      const texts = items.map(item => {
        const value = systemOf(item);
        if (value !== undefined && typeof value !== 'string')
          throw new FhirPathError('joins what is no text');
        return value ?? '';
      });
      return [bounded(texts.join(separator(focus, context) ?? ''), context)];
    };
  },
  replace: onTexts(2, (self, [part, by], context) => {
    // Bounded before it is made: every character may be replaced.
    const most = (part === '' ? self.length + 1 : self.length / part!.length) * by!.length;
    if (most > 1_000_000 && self.split(part!).length * by!.length > 1_000_000)
      throw new FhirPathError('makes too long a text');
    return bounded(
      self.replaceAll(part!, () => by!),
      context,
    );
  }),
  matches: matching(false),
  matchesFull: matching(true),
  replaceMatches: call => {
    const [self, compiled, by] = [text(call.of), pattern(call), text(call.run(argument(call, 1)))];
    return (focus, context) => {
      const [value, matcher, replacement] = [
        self(focus, context),
        compiled(focus, context),
        by(focus, context),
      ];
      if (value === undefined || matcher === undefined || replacement === undefined) return nothing;
      return [bounded(matcher.replace(value, replacement), context)];
    };
  },
  encode: onTexts(1, (self, [name]) => {
    const text = Buffer.from(self, 'utf8').toString(encodingOf(name!));
    return name === 'urlbase64' ? text.padEnd(Math.ceil(text.length / 4) * 4, '=') : text;
  }),
  decode: onTexts(1, (self, [name]) => Buffer.from(self, encodingOf(name!)).toString('utf8')),
  escape: onTexts(1, (self, [target], context) => {
    if (target === 'json') return bounded(JSON.stringify(self).slice(1, -1), context);
    if (target !== 'html') throw new FhirPathError('escapes for something else than html and json');
    return bounded(
      entities.reduce((text, [plain, entity]) => text.replaceAll(plain, entity), self),
      context,
    );
  }),
  unescape: onTexts(1, (self, [target]) => {
    if (target === 'json') {
      try {
        return JSON.parse(`"${self.replace(/(^|[^\\])"/g, '$1\\"')}"`) as string;
      } catch {
        return undefined;
      }
    }
    if (target !== 'html') throw new FhirPathError('unescapes from something else than html and json');
    return [...entities].reverse().reduce((text, [plain, entity]) => text.replaceAll(entity, plain), self);
  }),
};

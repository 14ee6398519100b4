// `:text` on tokens and references: rows of the texts that go with codes, found by their beginning.
// https://hl7.org/fhir/R4/search.html#modifiers. docs/decisions/0030-text-and-units.md has what they cost.
import type { Json } from '../../fhir/json.js';
import { fold, foldedOf } from '../fold.js';
import type { Node } from '../plan.js';
import { leaf, refuse, unescape, type Asked, type Sink } from './search-type.js';

/** For `:text`. Only the folded text is asked for, so that the text as sent takes no room. */
export function addText(value: Json | undefined, sink: Sink): void {
  if (typeof value !== 'string' || value === '') return;
  const folded = foldedOf(value);
  if (folded !== '') sink.addTo('text', { kind: 'string', value: folded, exact: folded });
}

/** What `:text` asks on tokens and references: a text that begins with the value. */
export const textStarts = (value: string, asked: Asked): Node => {
  const start = fold(unescape(value));
  if (start === '') return refuse(asked, value, 'expected some text');
  return leaf('string', `${asked.param}:text`, [{ column: 'value', is: 'prefix', value: start }]);
};

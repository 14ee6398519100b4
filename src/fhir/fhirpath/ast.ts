// What an expression says, as a tree. https://hl7.org/fhirpath/grammar.html
import type { SystemValue, TypeName } from './values.js';

export type Ast =
  | { readonly kind: 'literal'; readonly value: SystemValue | undefined }
  /** `%name` */
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: '$this' | '$index' | '$total' }
  /** `of.name`; without `of` the name stands at the beginning. */
  | { readonly kind: 'member'; readonly of?: Ast; readonly name: string }
  | { readonly kind: 'call'; readonly of?: Ast; readonly name: string; readonly args: readonly Ast[] }
  | { readonly kind: 'at'; readonly of: Ast; readonly index: Ast }
  | { readonly kind: 'sign'; readonly minus: boolean; readonly of: Ast }
  | { readonly kind: 'operator'; readonly operator: Operator; readonly left: Ast; readonly right: Ast }
  | { readonly kind: 'is' | 'as'; readonly of: Ast; readonly type: TypeName };

export type Operator =
  | '*'
  | '/'
  | 'div'
  | 'mod'
  | '+'
  | '-'
  | '&'
  | '|'
  | '<='
  | '<'
  | '>'
  | '>='
  | '='
  | '~'
  | '!='
  | '!~'
  | 'in'
  | 'contains'
  | 'and'
  | 'or'
  | 'xor'
  | 'implies';

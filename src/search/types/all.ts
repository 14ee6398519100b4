// The search parameter types with rows of their own, by the name SearchParameter.type has for them. Composite is made
// of these (composite.ts). https://hl7.org/fhir/R4/valueset-search-param-type.html
import type { SearchParameterType } from '../../fhir/definitions.js';
import { dateType } from './date.js';
import { numberType } from './number.js';
import { quantityType } from './quantity.js';
import { referenceType } from './reference.js';
import type { SearchType } from './search-type.js';
import { specialType } from './special.js';
import { stringType } from './string.js';
import { tokenType } from './token.js';
import { uriType } from './uri.js';

export const searchTypes: Readonly<Partial<Record<SearchParameterType, SearchType>>> = {
  date: dateType,
  number: numberType,
  quantity: quantityType,
  reference: referenceType,
  special: specialType,
  string: stringType,
  token: tokenType,
  uri: uriType,
};

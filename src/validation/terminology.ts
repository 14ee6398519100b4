// What the walker asks of terminology; system.ts passes it. https://hl7.org/fhir/R4/terminology-module.html
// Each answer may be `unknown`, which is told as a warning and never fails a resource.

export type Membership = true | false | 'unknown';

export interface Terminology {
  /** Whether the value set has the code; without a system, in any of its systems. */
  readonly holds: (valueSet: string, system: string | undefined, code: string) => Membership;
  /** Whether the code system has the code; `unknown` where the system is not here in whole. */
  readonly defines: (system: string, code: string) => Membership;
  /** Whether the url is one of a value set, which is no system. */
  readonly isValueSet: (url: string) => boolean;
  /** Whether the display is one of the code's, where that can be known. */
  readonly displays?: (system: string, code: string) => readonly string[] | undefined;
}


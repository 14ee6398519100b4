// A WriteRule adds what a clinic demands to a write, whichever path it came by: claims, extra writes, or a refusal.
// Rules live in clinic/, one per subject; commit asks them for every write of their types.
import type { Resource } from '../fhir/resource.js';
import type { Write } from '../storage/store.js';

export interface WriteRule {
  readonly types: readonly string[];
  /**
   * `before` and `after` are the states around the write; undefined where there is none. Answers the claims the new
   * state owns. @throws FhirError `business-rule` or `conflict` to refuse.
   */
  judge(
    before: Resource | undefined,
    after: Resource | undefined,
    write: Write,
  ): Promise<{ claims?: readonly string[] }>;
}

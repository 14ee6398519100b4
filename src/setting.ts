// What a setting is: src/settings.ts has them all as rows.
import type { Kind } from './setting-kinds.js';

export interface Setting<T> {
  readonly section: Section;
  readonly env: string;
  readonly kind: Kind<T>;
  readonly fallback: NoInfer<T>;
  /** The default as somebody would write it, where that is not `String(fallback)`. */
  readonly shown?: string;
  /** One sentence for people who run Tsela. */
  readonly says: string;
  readonly example: string;
  /** Whether the value is for development only; NODE_ENV=production refuses it. */
  developmentOnly?(value: T): boolean;
  /** Never printed. */
  readonly secret?: true;
}

export type Section = 'Serving' | 'Limits' | 'Storage' | 'FHIR behaviour' | 'Access' | 'Mail' | 'Logs';

export const row = <T>(setting: Setting<T>): Setting<T> => setting;

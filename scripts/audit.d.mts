// Types of audit.mjs, for its test.
interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
}
interface Lock {
  readonly packages: Readonly<Record<string, Entry>>;
}
export function mayShip(licence: string | undefined): boolean;
export function shippedIn(lock: Lock): [name: string, entry: Entry][];
export function problemsIn(lock: Lock): string[];
export function licencesIn(lock: Lock): [licence: string | undefined, count: number][];
export function graveIn(text: string): string[] | undefined;
export function audit(): number;

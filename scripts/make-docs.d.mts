// Types of make-docs.mjs for tests/docs.test.ts.
export function configurationPage(): Promise<string>;
export function errorsPage(): Promise<string>;
export function searchPage(): Promise<string>;

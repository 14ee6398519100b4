/** A parsed body: tests look deep into those, so their members are of any type. */
export type Json = Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any

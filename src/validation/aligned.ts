// Lists of primitives come in two arrays, `given` and `_given`, whose places belong together; null fills a place that
// one of them has nothing for. https://hl7.org/fhir/R4/json.html#primitive

/** True if both arrays have the same places and every place has something in one of them. */
export function aligned(values: unknown, siblings: unknown): boolean {
  if (!Array.isArray(siblings)) return !Array.isArray(values) || !values.includes(null);
  if (!Array.isArray(values)) return !siblings.includes(null);
  return (
    values.length === siblings.length && values.every((value, i) => value !== null || siblings[i] !== null)
  );
}

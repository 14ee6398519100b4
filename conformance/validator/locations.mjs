// Where two validators see the same fault: FHIRPath expressions made alike and compared by level.

/** Levels of an expression: no type annotations, no ofType, no choice marks. */
function levels(expression) {
  return expression
    .replace(/\/\*[^*]*\*\//g, '')
    .replace(/\.ofType\([^)]*\)/g, '')
    .replace(/\.resolve\(\)/g, '')
    .replace(/\[x\]/g, '')
    .split('.')
    .filter(step => step !== '');
}

/** Errors that say where they are. */
export const placedErrors = issues => issues.filter(({ expression }) => expression?.[0]);

const startsWith = (long, short) => short.every((step, i) => step === long[i]);

/** For each error of theirs that has a place: `exact`, `near` (one level off) or `elsewhere` in ours. */
export function compare(theirs, ours) {
  if (ours.length === 0) return [];
  const places = ours.map(({ expression }) => levels(expression ?? ''));
  const judged = placedErrors(theirs).map(({ expression }) => levels(expression[0]));
  return judged.map(wanted => {
    let best = 'elsewhere';
    for (const place of places) {
      const [long, short] = place.length >= wanted.length ? [place, wanted] : [wanted, place];
      if (!startsWith(long, short) || long.length - short.length > 1) continue;
      if (long.length === short.length) return 'exact';
      best = 'near';
    }
    return best;
  });
}

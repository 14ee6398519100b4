// Names close to one that is not known, for messages.

/** At most three of the known names, the closest first; none that would take more edits than a third of its length. */
export function closest(name: string, known: Iterable<string>): readonly string[] {
  const wanted = name.toLowerCase();
  const limit = Math.max(2, Math.floor(name.length / 3));
  return [...known]
    .map(candidate => ({ candidate, edits: edits(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= limit && edits < candidate.length)
    .sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** Insertions, deletions, changes and exchanges of neighbours that make one text the other. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1, exchanged ? before[j - 2]! + 1 : Infinity));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** ` Did you mean "x"?` with its leading space, or nothing. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const names = closest(name.slice(0, 100), known).map(one => `"${one}"`);
  return names.length === 0 ? '' : ` Did you mean ${names.join(' or ')}?`;
}

/**
 * The known name that a mistyped one was probably meant to be. The measure is the number of
 * insertions, deletions and replacements of one character (Levenshtein).
 */

/** One typing error for every so many characters is still taken for the same name. */
const CHARACTERS_PER_ERROR = 3;
/** More errors than these are another name, however long it is. */
const ERRORS_MAX = 3;

/**
 * Null: no name is near enough to be worth suggesting. A beginning of a name counts as near, and
 * upper and lower case do not differ.
 */
export function nearestName(typed: string, names: readonly string[]): string | null {
  const byDistance = names
    .map((name) => ({
      name,
      distance: name.startsWith(typed) && typed.length > 3 ? 1 : distanceOf(typed.toLowerCase(), name.toLowerCase()),
    }))
    .sort((a, b) => a.distance - b.distance);
  const [nearest] = byDistance;
  if (nearest === undefined) return null;
  return nearest.distance <= Math.max(1, Math.min(ERRORS_MAX, typed.length / CHARACTERS_PER_ERROR))
    ? nearest.name
    : null;
}

function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [at, character] of [...from].entries()) {
    const next = [at + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (to[column - 1] === character ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}

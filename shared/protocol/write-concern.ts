/**
 * The write concern: how many nodes, the master included, must hold an entry before its client is
 * answered. n is the number of nodes (members + 1), m = ⌊n/2⌋ + 1 their majority.
 */

/** As a client asks for it: a number from 1 to n, `"majority"` (m) or `"all"` (n). */
export type WriteConcern = number | 'majority' | 'all';

/** Nodes of a log with this many secondaries, the master included. */
export function nodeCount(members: number): number {
  return members + 1;
}

/** The least number of nodes that any two majorities of n share one of. */
export function majority(n: number): number {
  return Math.floor(n / 2) + 1;
}

/** The number of nodes that a concern asks for among n. May exceed n: the caller refuses that. */
export function requiredAcks(writeConcern: WriteConcern, n: number): number {
  if (writeConcern === 'all') return n;
  if (writeConcern === 'majority') return majority(n);
  return writeConcern;
}

/**
 * Reads a write concern from text (a query, a variable): a whole number ≥ 1, `majority` or `all`;
 * null for anything else.
 */
export function parseWriteConcern(text: string): WriteConcern | null {
  if (text === 'majority' || text === 'all') return text;
  if (!/^[1-9][0-9]{0,8}$/.test(text)) return null;
  return Number(text);
}

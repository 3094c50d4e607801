/**
 * Defines the write concern (Kafka: acks): how many nodes, the master included, must hold an entry
 * before its client is answered. n is the number of nodes (members + 1), m = ⌊n/2⌋ + 1 their
 * majority.
 */

/** As a client asks for it: a number from 1 to n, `"majority"` (m) or `"all"` (n). */
export type WriteConcern = number | 'majority' | 'all';

/** Number of nodes of a log with this many secondaries, the master included. */
export function nodeCount(members: number): number {
  return members + 1;
}

/** The smallest number of nodes such that any two sets of that size, out of n, share a node. */
export function majority(n: number): number {
  return Math.floor(n / 2) + 1;
}

/**
 * The number of nodes that a concern requires out of n. It may exceed n, which the caller refuses.
 */
export function requiredAcks(writeConcern: WriteConcern, n: number): number {
  if (writeConcern === 'all') return n;
  if (writeConcern === 'majority') return majority(n);
  return writeConcern;
}

/**
 * Parses a write concern from a query or a variable: a whole number of 1 or more, `majority` or
 * `all`; null for any other text.
 */
export function parseWriteConcern(text: string): WriteConcern | null {
  if (text === 'majority' || text === 'all') return text;
  if (!/^[1-9][0-9]{0,8}$/.test(text)) return null;
  return Number(text);
}

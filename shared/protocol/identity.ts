/**
 * Which log this is. A log's *identity* is its log id, the random reign of its record 1, followed
 * by the reigns of its forced lists, in order: an operator's force begins a *branch* of the log.
 * Written as a path, `60c249b35917a53d/0b1f…`, so that it reads in a queue as it does here. A node
 * that holds no log, and has followed none, has no identity: it is *blank*, and says so (`null`).
 *
 *     a = b                 the same log
 *     a is a prefix of b    a knows less of it than b: it can follow b, b can not follow a
 *     neither               two logs: *foreign* to each other. Nothing of one may reach the other
 *
 * Indexes, epochs and promises mean something within one log only.
 */

/** A path of reigns, never empty. */
export type Identity = string;

const SEPARATOR = '/';

/**
 * Longest identity that is believed: a log that was forced more than 59 times is not to be
 * expected.
 */
export const IDENTITY_LENGTH_MAX = 1024;

/** What every branch of the log shares: its log id. */
export function logIdOf(identity: Identity): string {
  return identity.split(SEPARATOR, 1)[0] ?? identity;
}

/** The identity of the branch that a force of this reign begins. */
export function branchOf(identity: Identity, reign: string): Identity {
  return identity + SEPARATOR + reign;
}

/** Is all that `a` knows of its log true of `b`? A blank node knows nothing. */
export function isPrefixOf(a: Identity | null, b: Identity | null): boolean {
  if (a === null || a === b) return true;
  return b?.startsWith(a + SEPARATOR) === true;
}

/** Are these two logs of which neither can follow the other? To a blank node nobody is foreign. */
export function isForeign(a: Identity | null, b: Identity | null): boolean {
  return !isPrefixOf(a, b) && !isPrefixOf(b, a);
}

/** Does `a` go on where `b` ends: a later branch of the log, or any log for a blank `b`? */
export function extendsLog(a: Identity | null, b: Identity | null): boolean {
  return a !== b && isPrefixOf(b, a);
}

/** The longer one of two that are not foreign to each other. */
export function longerOf(a: Identity | null, b: Identity | null): Identity | null {
  return isPrefixOf(a, b) ? b : a;
}

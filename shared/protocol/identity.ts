/**
 * Compares the identities of logs (Kafka: cluster id). The *identity* of a log is its log id, which
 * is the random reign of record 1, followed by the reigns of its forced lists in order: an
 * operator's force (Kafka: unclean leader election) begins a *branch* of the log. It is written as
 * a path, `60c249b35917a53d/0b1f…`, in messages and in files. A node that holds no log and has
 * followed none is *blank*: its identity is `null`.
 *
 *     a = b                 the same log
 *     a is a prefix of b    a knows less of the log than b: a can follow b, b cannot follow a
 *     neither               two logs, *foreign* to each other: nothing of one may reach the other
 *
 * Indexes, epochs and promises have a meaning within one log only.
 */

/** A path of reigns, never empty. */
export type Identity = string;

const SEPARATOR = '/';

/** Longest identity that is accepted, in characters: enough for a log that was forced 59 times. */
export const IDENTITY_LENGTH_MAX = 1024;

/** The log id, which all branches of a log share. */
export function logIdOf(identity: Identity): string {
  return identity.split(SEPARATOR, 1)[0] ?? identity;
}

/** The identity of the branch that a force with this reign begins. */
export function branchOf(identity: Identity, reign: string): Identity {
  return identity + SEPARATOR + reign;
}

/** Whether all that `a` knows of its log is true of `b`. A blank node (null) knows nothing. */
export function isPrefixOf(a: Identity | null, b: Identity | null): boolean {
  if (a === null || a === b) return true;
  return b?.startsWith(a + SEPARATOR) === true;
}

/** Whether these are two logs of which neither can follow the other. Never true of a blank node. */
export function isForeign(a: Identity | null, b: Identity | null): boolean {
  return !isPrefixOf(a, b) && !isPrefixOf(b, a);
}

/** Whether `a` continues `b`: a later branch of its log, or any log when `b` is blank. */
export function extendsLog(a: Identity | null, b: Identity | null): boolean {
  return a !== b && isPrefixOf(b, a);
}

/** The longer of two identities that are not foreign to each other. */
export function longerOf(a: Identity | null, b: Identity | null): Identity | null {
  return isPrefixOf(a, b) ? b : a;
}

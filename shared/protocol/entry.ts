/**
 * Defines the entry, which is what clients see of the log, and the ids that make an append
 * idempotent.
 *
 * An append without an id gets a generated one, `<reign>-<seq>`, which needs no index because it
 * says where to look. The reign is random, so no client can have used the id before. A client's id
 * of this form that names a seq which its reign has not given yet is refused (`parseGeneratedId`
 * tells); otherwise a later append could be given an id that is taken.
 */

/** One entry of the log, as every reader on every node gets it. */
export interface Entry {
  /** 1, 2, 3 … without gaps (Kafka: offset). */
  readonly seq: number;
  /** The epoch of the master that appended it (Raft: term), 1 or more. */
  readonly epoch: number;
  /** 1–128 printable characters; unique in the log. */
  readonly id: string;
  /** The master's time of the append, ISO 8601 in UTC. */
  readonly ts: string;
  /** The client's text: any string, also the empty one. */
  readonly message: string;
}

/** Longest id that a client may choose, in characters (code points). */
export const ID_LENGTH_MAX = 128;

/** Length of a reign in hex digits: 64 random bits, so that no two reigns of a log are equal. */
export const REIGN_LENGTH = 16;

const GENERATED_ID = new RegExp(`^([0-9a-f]{${REIGN_LENGTH}})-([1-9][0-9]{0,15})$`);

/** The id of an append without one. */
export function generatedId(reign: string, seq: number): string {
  return `${reign}-${seq}`;
}

/** The reign and seq in a generated id; null for an id of another form. */
export function parseGeneratedId(id: string): { readonly reign: string; readonly seq: number } | null {
  const match = GENERATED_ID.exec(id);
  if (match?.[1] === undefined) return null;
  return { reign: match[1], seq: Number(match[2]) };
}

/**
 * Checks a client's id. Returns the fault, to follow the name of the field, or null. Printable
 * means: no control characters, no lone surrogates.
 */
export function idFault(id: string): string | null {
  if (id.length === 0) return 'must not be empty';
  if (id.length > ID_LENGTH_MAX && [...id].length > ID_LENGTH_MAX)
    return `must have at most ${ID_LENGTH_MAX} characters`;
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(id)) return 'must be printable: no control characters';
  return null;
}

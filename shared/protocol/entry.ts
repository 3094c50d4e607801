/**
 * What clients see of the log: an entry, and the ids that make an append idempotent.
 *
 * A client that names no id gets a generated one, `<reign>-<seq>`: it needs no index, for it says
 * where to look. The reign is random, so nobody can have used the id before; one that names a seq
 * which its reign has not given yet is refused (`isGeneratedId` tells), or a later append could be
 * handed an id that is taken.
 */

/** One entry of the log, as every reader on every node gets it. */
export interface Entry {
  /** 1, 2, 3 … without gaps. */
  readonly seq: number;
  /** The epoch of the master that took it, 1 or more. */
  readonly epoch: number;
  /** 1–128 printable characters; unique in the log. */
  readonly id: string;
  /** The master's time of the append, ISO 8601 in UTC. */
  readonly ts: string;
  /** The client's text, any string, the empty one too. */
  readonly message: string;
}

/** Longest id of a client, in characters. */
export const ID_LENGTH_MAX = 128;

/**
 * Length of a reign id in hex digits: 64 random bits, so that two reigns of one log never share
 * one.
 */
export const REIGN_LENGTH = 16;

const GENERATED_ID = new RegExp(`^([0-9a-f]{${REIGN_LENGTH}})-([1-9][0-9]{0,15})$`);

/** The id of an append whose client named none. */
export function generatedId(reign: string, seq: number): string {
  return `${reign}-${seq}`;
}

/** The reign and seq that a generated id names, or null for an id of another form. */
export function parseGeneratedId(id: string): { readonly reign: string; readonly seq: number } | null {
  const match = GENERATED_ID.exec(id);
  if (match?.[1] === undefined) return null;
  return { reign: match[1], seq: Number(match[2]) };
}

/**
 * What is wrong with a client's id, or null. Printable means: no control characters, no lone
 * surrogates.
 */
export function idFault(id: string): string | null {
  if (id.length === 0) return 'must not be empty';
  if ([...id].length > ID_LENGTH_MAX) return `must have at most ${ID_LENGTH_MAX} characters`;
  if (/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(id)) return 'must be printable: no control characters';
  return null;
}

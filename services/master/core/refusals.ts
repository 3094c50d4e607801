/**
 * Builds the refusal that a client gets when the master accepts no append: the rule, the missing
 * nodes and the time of their last message, and what would end the refusal.
 */
import { majority } from '#protocol/write-concern';
import type { AppendOutcome, MissingNode, Refusal } from './append';
import type { Quorum } from './quorum-gate';

/** A refusal: nothing was appended. */
export type Refused = Extract<AppendOutcome, { outcome: 'refused' }>;

/** Seconds after which a client may try again: about the time of a heartbeat or an election. */
const RETRY_AFTER_S = 1;

/** The state of the nodes at the time of a refusal. */
export interface Situation {
  readonly quorum: Quorum;
  /** Members that are not Healthy. */
  readonly missing: readonly MissingNode[];
}

/**
 * Builds a refusal.
 * @param detail sentences for people: the reason, and what would end it
 */
export function refused(problem: Refusal, detail: string, { quorum, missing }: Situation): Refused {
  const { required, alive } = quorum;
  return { outcome: 'refused', problem, detail, retryAfterS: RETRY_AFTER_S, quorum: { required, alive }, missing };
}

/**
 * Builds the refusal for too few alive nodes.
 * @param nodes number of all nodes, n
 * @param trouble why this master itself has no session with the broker; undefined: it has one
 */
export function noQuorum(situation: Situation, nodes: number, trouble?: string): Refused {
  const { quorum, missing } = situation;
  const detail =
    `Read-only: an append needs a majority, ${quorum.required} of ${nodes} nodes, and ${quorum.alive} ` +
    `${quorum.alive === 1 ? 'is' : 'are'} alive. Missing: ${missing.map(describe).join(', ')}. ` +
    `Appends are accepted again as soon as enough of them are heard.${trouble === undefined ? '' : ` The broker gives this master no lasting session: ${trouble}.`}`;
  return refused('no-quorum', detail, situation);
}

/** Builds the refusal for too few voters: enough nodes are alive, but they could not commit. */
export function withoutVoters(voters: readonly string[], situation: Situation): Refused {
  const required = majority(voters.length);
  const { missing } = situation;
  const end =
    missing.length === 0
      ? 'No node is missing, but stores are. If the stores with a vote are lost for good, an operator has to force a new configuration (POST /members/force).'
      : `Missing: ${missing.map(describe).join(', ')}. Appends are accepted again as soon as enough of them are heard.`;
  const detail = `Read-only: a commit needs ${required} of the voters (${voters.join(', ')}), and fewer are up with the store that has the vote. ${end}`;
  return refused('no-quorum', detail, situation);
}

function describe({ id, status, lastSeenMs, left }: MissingNode): string {
  if (lastSeenMs === null) return `${id} (${status}, never heard)`;
  const ago = `${(lastSeenMs / 1000).toFixed(1)} s ago`;
  return left === true ? `${id} (stopped in order, ${ago})` : `${id} (${status}, last heard ${ago})`;
}

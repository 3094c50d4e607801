/**
 * Why the master takes no append at this moment, as a client is told: the rule, who is missing and
 * since when, what would end it.
 */
import { majority } from '#protocol/write-concern';
import type { AppendOutcome, MissingNode, Refusal } from './append';
import type { Quorum } from './quorum-gate';

export type Refused = Extract<AppendOutcome, { outcome: 'refused' }>;

/**
 * Seconds after which a client may try again: about what a member needs to be heard, or an election
 * to end.
 */
const RETRY_AFTER_S = 1;

export interface Situation {
  readonly quorum: Quorum;
  readonly missing: readonly MissingNode[];
}

export function refused(problem: Refusal, detail: string, { quorum, missing }: Situation): Refused {
  const { required, alive } = quorum;
  return { outcome: 'refused', problem, detail, retryAfterS: RETRY_AFTER_S, quorum: { required, alive }, missing };
}

export function noQuorum(situation: Situation, nodes: number): Refused {
  const { quorum, missing } = situation;
  const detail =
    `Read-only: an append needs a majority, ${quorum.required} of ${nodes} nodes, and ${quorum.alive} ` +
    `${quorum.alive === 1 ? 'is' : 'are'} alive. Missing: ${missing.map(describe).join(', ')}. ` +
    'Appends are taken again as soon as enough of them are heard.';
  return refused('no-quorum', detail, situation);
}

/** Enough nodes are alive, but what they hold could not be committed. */
export function withoutVoters(voters: readonly string[], situation: Situation): Refused {
  const required = majority(voters.length);
  const { missing } = situation;
  const end =
    missing.length === 0
      ? 'No node is missing, so stores are: if those that had the vote are lost for good, an operator has to force a new list (POST /members/force).'
      : `Missing: ${missing.map(describe).join(', ')}. Appends are taken again as soon as enough of them are heard.`;
  const detail = `Read-only: to commit an entry needs ${required} of the voters (${voters.join(', ')}), and fewer are up with the store that has the vote. ${end}`;
  return refused('no-quorum', detail, situation);
}

function describe({ id, status, lastSeenMs, left }: MissingNode): string {
  if (lastSeenMs === null) return `${id} (${status}, never heard)`;
  const ago = `${(lastSeenMs / 1000).toFixed(1)} s ago`;
  return left === true ? `${id} (stopped in order, ${ago})` : `${id} (${status}, last heard ${ago})`;
}

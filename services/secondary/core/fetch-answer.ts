/**
 * Answers a claimant that fetches what its log lacks (the master's catch-up.ts): with records, or with where the two logs part (KIP-595). Only
 * the log that the claimant means answers, up to what is durable of it: what another one lacks says nothing.
 */
import type { GroupCommit } from '#protocol/log/group-commit';
import { isAtLeastAsUpToDate, type LogOutline } from '#protocol/log/outline';
import { endOf, type MessageOf, type Sender } from '#protocol/wire/messages';
import type { SecondaryEffect } from './events';

export interface FetchedLog {
  readonly outline: LogOutline;
  readonly groups: GroupCommit;
  readonly store: string;
  readonly commitIndex: number;
}

/** Null: this is not the log that is asked for. */
export function fetchAnswer(
  fetch: MessageOf<'fetch'>,
  to: string,
  log: FetchedLog,
  id: Sender,
): SecondaryEffect | null {
  if (fetch.expects !== undefined && !meets(log, fetch.expects)) return null;
  const { outline, groups, commitIndex: commit } = log;
  const prevIndex = fetch.from - 1;
  const { lastEpoch: prevEpoch, lastReign: prevReign } = fetch;
  const parting = outline.partingPoint({ index: prevIndex, epoch: prevEpoch, reign: prevReign });
  if (parting !== null) return { do: 'send', to, message: { type: 'diverged', ...id, ...parting } };
  const header = { type: 'entries', ...id, prevIndex, prevEpoch, prevReign, commit } as const;
  const { node, limit } = fetch;
  return { do: 'serve', to, node, header, lastIndex: groups.durableIndex, limit };
}

/** Is this the log that a claimant means, as far as it was named, and durable? */
function meets({ outline, groups, store }: FetchedLog, expected: NonNullable<MessageOf<'fetch'>['expects']>): boolean {
  const { durableIndex: index } = groups;
  const durable = { index, epoch: outline.epochAt(index) ?? 0, reign: outline.reignAt(index), log: outline.identity };
  return store === expected.store && isAtLeastAsUpToDate(durable, endOf(expected));
}

/**
 * Answers a claimant that fetches what its log lacks (the master's catch-up.ts): with records, or with where the two logs part (KIP-595). Only
 * the log that the claimant means answers, up to what is durable of it: what another one lacks says nothing.
 */
import type { GroupCommit } from '../../../shared/protocol/group-commit';
import { isAtLeastAsUpToDate, type LogOutline } from '../../../shared/protocol/log-outline';
import type { EpochId, MessageOf } from '../../../shared/protocol/wire';
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
  id: EpochId,
): SecondaryEffect | null {
  if (fetch.expects !== undefined && !meets(log, fetch.expects)) return null;
  const { outline, groups, commitIndex: commit } = log;
  const prevIndex = fetch.from - 1;
  const prevEpoch = fetch.lastEpoch;
  const parting = outline.partingPoint({ index: prevIndex, epoch: prevEpoch });
  if (parting !== null)
    return {
      do: 'send',
      to,
      message: { type: 'diverged', ...id, endEpoch: parting.epoch, endIndex: parting.index },
    };
  const header = { type: 'entries', ...id, prevIndex, prevEpoch, commit } as const;
  const { node, limit } = fetch;
  return { do: 'serve', to, node, header, lastIndex: groups.durableIndex, limit };
}

/** Is this the log that a claimant means, as far as it was named, and durable? */
function meets({ outline, groups, store }: FetchedLog, expected: NonNullable<MessageOf<'fetch'>['expects']>): boolean {
  const { durableIndex: index } = groups;
  const epoch = outline.epochAt(index) ?? 0;
  const { lastIndex, lastEpoch } = expected;
  return store === expected.store && isAtLeastAsUpToDate({ index, epoch }, { index: lastIndex, epoch: lastEpoch });
}

/** Answers a secondary that fetches what it lacks: with records, up to what is durable here, or with where the two logs part (KIP-595). */
import type { GroupCommit } from '#protocol/log/group-commit';
import type { LogOutline } from '#protocol/log/outline';
import type { MessageOf } from '#protocol/wire/messages';
import type { MasterEffect } from './events';
import type { Reign } from './reign';

export function fetchAnswer(
  fetch: MessageOf<'fetch'>,
  to: string,
  { outline, groups }: { readonly outline: LogOutline; readonly groups: GroupCommit },
  reign: Reign,
): MasterEffect {
  const prevIndex = fetch.from - 1;
  const parting = outline.partingPoint({ index: prevIndex, epoch: fetch.lastEpoch, reign: fetch.lastReign });
  if (parting !== null) return { do: 'send', to, message: { type: 'diverged', ...reign.sender, ...parting } };
  const { node, limit, withChecksum = false } = fetch;
  const { durableIndex: lastIndex } = groups;
  return { do: 'serve', to, node, header: reign.header(prevIndex), lastIndex, limit, withChecksum };
}

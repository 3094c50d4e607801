/**
 * Sends the announcements of a reign: Raft's empty AppendEntries, with the head and the commit
 * index. One goes to all nodes every heartbeat interval, and one to each node that does not follow
 * the reign yet.
 */
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import type { MasterEffect } from '../events';
import type { Reign } from './reign';

/** The parts of a master that an announcement is made from. */
interface AnnouncerParts {
  readonly self: Voter;
  readonly log: ReplicaLog;
  /** The nodes that an operator has removed. */
  readonly members: { readonly removed: readonly string[] };
  /** URL of this node's HTTP edge; '' until it listens. */
  readonly edge: { readonly httpUrl: string };
}

/** Sends nothing before the reign's configuration is durable. Times are milliseconds. */
export class Announcer {
  private dueAt = 0;

  constructor(
    private readonly parts: AnnouncerParts,
    private readonly intervalMs: number,
  ) {}

  isDue(now: number): boolean {
    return now >= this.dueAt;
  }

  announceToAll(now: number, reign: Reign, out: MasterEffect[]): void {
    if (!reign.isFounded) return;
    this.dueAt = now + this.intervalMs;
    out.push({ do: 'broadcast', message: this.announcement(reign) });
  }

  announceTo(queue: string, reign: Reign, out: MasterEffect[]): void {
    if (reign.isFounded) out.push({ do: 'send', to: queue, message: this.announcement(reign) });
  }

  private announcement(reign: Reign): MessageOf<'announce'> {
    const { self, log, members, edge } = this.parts;
    const { node } = self;
    const { durableIndex: headIndex, durableSeq: head, commitIndex: commit } = log;
    const positions = { headIndex, head, commit };
    const { httpUrl } = edge;
    const removed = [...members.removed];
    const message = { type: 'announce', ...reign.sender, node, ...positions, removed, httpUrl } as const;
    const checksum = log.checksumAt(headIndex);
    return checksum === null ? message : { ...message, checksum };
  }
}

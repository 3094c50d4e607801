/**
 * What a reigning master says to the nodes that follow it beside the batches, and what it learns from them. It announces where the head and the
 * commit index are, once an interval, and to who asks; from acks and heartbeats it learns who holds what, as long as that is the same log.
 */
import type { ChecksumTrail } from '#protocol/log/checksum-trail';
import type { GroupCommit } from '#protocol/log/group-commit';
import type { LogOutline } from '#protocol/log/outline';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import type { BrokerLink } from './broker-link';
import type { MasterEffect } from './events';
import { fetchAnswer } from './fetch-answer';
import type { Membership } from './membership';
import type { Reign } from './reign';

export interface FollowersParts {
  readonly node: string;
  readonly outline: LogOutline;
  readonly groups: GroupCommit;
  readonly trail: ChecksumTrail;
  readonly broker: BrokerLink;
  readonly membership: Membership;
  /** Knows where the HTTP edge is, once it listens. */
  readonly edge: { readonly httpUrl: string };
  /** Is nobody to be led into this log: the broker does not know of it yet, or more of the members hold another? */
  readonly isSilent: (now: number) => boolean;
}

export class Followers {
  private nextAnnounceAt = 0;

  constructor(
    private readonly parts: FollowersParts,
    private readonly intervalMs: number,
  ) {}

  isAnnounceDue(now: number): boolean {
    return now >= this.nextAnnounceAt;
  }

  /** To all. */
  announce(now: number, reign: Reign, out: MasterEffect[]): void {
    if (!this.parts.broker.hasLock || !reign.isFounded || this.parts.isSilent(now)) return;
    this.nextAnnounceAt = now + this.intervalMs;
    out.push({ do: 'control', message: this.announcement(reign) });
  }

  /** To one that has not heard of the reign. */
  tell(now: number, to: string, reign: Reign, out: MasterEffect[]): void {
    if (reign.isFounded && !this.parts.isSilent(now)) out.push({ do: 'send', to, message: this.announcement(reign) });
  }

  /** A message of a member that follows this reign. */
  hear(
    now: number,
    { message, replyTo }: { readonly message: WireMessage; readonly replyTo: string | null },
    reign: Reign,
    out: MasterEffect[],
  ): void {
    if (message.type === 'ack' || message.type === 'heartbeat') this.count(message, reign, out);
    else if (replyTo === null || this.parts.isSilent(now)) return;
    else if (message.type === 'fetch') out.push(fetchAnswer(message, replyTo, this.parts, reign));
    else if (message.type === 'join') this.tell(now, replyTo, reign, out);
  }

  private count(report: MessageOf<'ack' | 'heartbeat'>, reign: Reign, out: MasterEffect[]): void {
    const { membership, trail } = this.parts;
    const { book } = membership;
    book.recordStore(report);
    if (report.type === 'heartbeat') book.compare(report, trail.at(report.index), out);
    if (!book.agrees(report.node) || !book.tracker.recordAck(report)) return;
    reign.advance(out);
    membership.changeList(reign, out);
  }

  private announcement(reign: Reign): WireMessage {
    const { node, outline, groups, trail, membership, edge } = this.parts;
    const { durableIndex: headIndex } = groups;
    const positions = { headIndex, head: outline.seqAt(headIndex), commit: reign.commitIndex };
    const removed = [...membership.removed];
    const { httpUrl } = edge;
    const message = { type: 'announce', ...reign.sender, node, ...positions, removed, httpUrl } as const;
    const checksum = trail.at(headIndex);
    return checksum === null ? message : { ...message, checksum };
  }
}

/**
 * What a reigning master says to the nodes that follow it beside the batches, and what it learns
 * from them. It announces where the head and the commit index are, once an interval, and to who
 * asks; from acks and heartbeats it learns who holds what, as long as that is the same log.
 */
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import type { BrokerLink } from './broker-link';
import type { MasterEffect } from './events';
import type { Membership } from './membership';
import type { Reign } from './reign';

export interface FollowersParts {
  readonly self: Voter;
  readonly log: ReplicaLog;
  readonly broker: BrokerLink;
  readonly membership: Membership;
  /** Knows where the HTTP edge is, once it listens. */
  readonly edge: { readonly httpUrl: string };
  /**
   * Is nobody to be led into this log: the broker does not know of it yet, or more of the members
   * hold another?
   */
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
    else if (message.type === 'fetch') this.answerFetch(message, replyTo, reign, out);
    else if (message.type === 'join') this.tell(now, replyTo, reign, out);
  }

  private answerFetch(fetch: MessageOf<'fetch'>, to: string, { sender }: Reign, out: MasterEffect[]): void {
    const { log, self } = this.parts;
    const answer = log.answerFetch(fetch, { to, sender, store: self.store });
    if (answer !== null) out.push(answer);
  }

  private count(report: MessageOf<'ack' | 'heartbeat'>, reign: Reign, out: MasterEffect[]): void {
    const { membership, log } = this.parts;
    const { book } = membership;
    book.recordStore(report);
    if (report.type === 'heartbeat') book.compare(report, log.checksumAt(report.index), out);
    if (!book.agrees(report.node) || !book.tracker.recordAck(report)) return;
    reign.advance(out);
    membership.changeList(reign, out);
  }

  private announcement(reign: Reign): MessageOf<'announce'> {
    const { self, log, membership, edge } = this.parts;
    const { node } = self;
    const { durableIndex: headIndex, durableSeq: head, commitIndex: commit } = log;
    const positions = { headIndex, head, commit };
    const removed = [...membership.removed];
    const { httpUrl } = edge;
    const message = { type: 'announce', ...reign.sender, node, ...positions, removed, httpUrl } as const;
    const checksum = log.checksumAt(headIndex);
    return checksum === null ? message : { ...message, checksum };
  }
}

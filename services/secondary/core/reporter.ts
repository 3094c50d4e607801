/**
 * Sends a secondary's messages to the master: that it is up, up to which index it holds the log,
 * and which records it lacks. None of them has to arrive: acks are cumulative, a heartbeat is also
 * an ack, and a question that is not answered is repeated.
 */
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import { type MessageOf, type Sender, saidEnd, type WireMessage } from '#protocol/wire/messages';
import type { SecondaryEffect } from './events';

/** What a reporter reads. */
interface ReporterParts {
  readonly self: Voter;
  /** The store ends with the process. */
  readonly inMemory: boolean;
  readonly log: ReplicaLog;
  /** The epoch followed, which every message names. */
  readonly following: { readonly id: Sender };
}

/** Every message goes to `out`. Times are milliseconds of the monotonic clock. */
export class Reporter {
  /** This node's HTTP address; '' until it listens. */
  httpUrl = '';
  private nextHeartbeatAt = 0;
  private nextFenceAt = 0;
  private nextMissingAt = 0;

  constructor(
    private readonly parts: ReporterParts,
    private readonly intervalMs: number,
  ) {}

  /** @returns true once an interval */
  isHeartbeatDue(now: number): boolean {
    if (now < this.nextHeartbeatAt) return false;
    this.nextHeartbeatAt = now + this.intervalMs;
    return true;
  }

  /** @returns true at most once an interval: a sender of a stale epoch may be answered */
  isFenceDue(now: number): boolean {
    if (now < this.nextFenceAt) return false;
    this.nextFenceAt = now + this.intervalMs;
    return true;
  }

  /**
   * @returns true at most once an interval: the answer to a join makes this node look for its queue
   * again, which the broker may not let the master make
   */
  isMissingDue(now: number): boolean {
    if (now < this.nextMissingAt) return false;
    this.nextMissingAt = now + this.intervalMs;
    return true;
  }

  /** After a start or a reconnection, and while no master is known. It replaces a heartbeat. */
  join(now: number, out: SecondaryEffect[]): void {
    this.nextHeartbeatAt = now + this.intervalMs;
    const { following, self, log, inMemory } = this.parts;
    const { outline } = log;
    const storeKind = inMemory ? 'memory' : 'disk';
    const end = saidEnd(outline.last, outline.lastSeq);
    send({ type: 'join', ...following.id, ...self, ...end, storeKind, httpUrl: this.httpUrl }, out);
  }

  /**
   * @param index up to which the log of the epoch followed is durable here; 0: not checked yet
   * @param differsAt as `Integrity.differsAt`
   */
  heartbeat(index: number, differsAt: number | null, out: SecondaryEffect[]): void {
    const { log } = this.parts;
    const checksum = log.checksumAt(index);
    const said = differsAt !== null ? { differsAt } : checksum !== null ? { checksum } : {};
    send({ type: 'heartbeat', ...this.position(index), buffered: 0, httpUrl: this.httpUrl, ...said }, out);
  }

  /** @param index as for a heartbeat */
  ack(index: number, out: SecondaryEffect[]): void {
    send({ type: 'ack', ...this.position(index) }, out);
  }

  /** Asks for the records from `from` on; `lastEpoch`, `lastReign`: of the record before it. */
  fetch(range: Pick<MessageOf<'fetch'>, 'from' | 'lastEpoch' | 'lastReign' | 'limit'>, out: SecondaryEffect[]): void {
    const { following, self } = this.parts;
    send({ type: 'fetch', ...following.id, node: self.node, ...range }, out);
  }

  /** The process stops in order. */
  leave(out: SecondaryEffect[]): void {
    const { following, self } = this.parts;
    send({ type: 'leave', ...following.id, node: self.node }, out);
  }

  private position(index: number): Omit<MessageOf<'ack'>, 'type'> {
    const { following, self } = this.parts;
    const { epoch, reign, log } = following.id;
    // Field by field: acks are the most frequent of all messages, and spreads are slow.
    return { epoch, reign, log, node: self.node, store: self.store, index, applied: this.parts.log.durableSeq };
  }
}

function send(message: WireMessage, out: SecondaryEffect[]): void {
  out.push({ do: 'send', to: null, message });
}

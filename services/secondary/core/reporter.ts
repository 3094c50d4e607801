/**
 * What a secondary says of itself to the master: that it is there, up to where it holds the log,
 * and what it lacks. Nothing depends on any one of these: an ack is cumulative, a heartbeat is an
 * ack as well, and whatever was not answered is said again.
 */
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { Voter } from '#protocol/record';
import { saidEnd, type WireMessage } from '#protocol/wire/messages';
import type { SecondaryEffect } from './events';
import type { Ballot } from './voting/ballot';

export interface ReporterParts {
  readonly self: Voter;
  /** The store ends with the process. */
  readonly inMemory: boolean;
  readonly log: ReplicaLog;
  /** The epoch followed, which every message names. */
  readonly ballot: Ballot;
}

/** What a heartbeat says beside the position. */
export interface Standing {
  readonly httpUrl: string;
  readonly differsAt: number | null;
  readonly buffer: { readonly size: number };
}

export class Reporter {
  private nextBeatAt = 0;
  private nextFenceAt = 0;

  constructor(
    private readonly parts: ReporterParts,
    private readonly intervalMs: number,
  ) {}

  /** True once an interval: it is time for a sign of life. */
  isBeatDue(now: number): boolean {
    if (now < this.nextBeatAt) return false;
    this.nextBeatAt = now + this.intervalMs;
    return true;
  }

  /**
   * True at most once an interval: whoever speaks for an epoch that is over may be told which one
   * is followed.
   */
  isFenceDue(now: number): boolean {
    if (now < this.nextFenceAt) return false;
    this.nextFenceAt = now + this.intervalMs;
    return true;
  }

  /** A start, a reconnection, or no master was heard yet. It is a sign of life, too. */
  join(now: number, httpUrl: string, out: SecondaryEffect[]): void {
    this.nextBeatAt = now + this.intervalMs;
    const { ballot, self, log, inMemory } = this.parts;
    const { outline } = log;
    const storeKind = inMemory ? 'memory' : 'disk';
    const end = saidEnd(outline.last, outline.lastSeq);
    send({ type: 'join', ...ballot.id, ...self, ...end, storeKind, httpUrl }, out);
  }

  /** @param index up to which the log of the epoch followed is held */
  heartbeat(index: number, { httpUrl, differsAt, buffer }: Standing, out: SecondaryEffect[]): void {
    const { ballot, self, log } = this.parts;
    const { durableSeq: applied } = log;
    const checksum = log.checksumAt(index);
    const buffered = buffer.size;
    const beat = { type: 'heartbeat', ...ballot.id, ...self, index, applied, buffered, httpUrl } as const;
    if (differsAt !== null) send({ ...beat, differsAt }, out);
    else send(checksum === null ? beat : { ...beat, checksum }, out);
  }

  /** @param index as for a heartbeat */
  ack(index: number, out: SecondaryEffect[]): void {
    const { ballot, self, log } = this.parts;
    send({ type: 'ack', ...ballot.id, ...self, index, applied: log.durableSeq }, out);
  }

  fetch(
    range: { readonly from: number; readonly lastEpoch: number; readonly lastReign: string; readonly limit: number },
    out: SecondaryEffect[],
  ): void {
    const { ballot, self } = this.parts;
    send({ type: 'fetch', ...ballot.id, node: self.node, ...range }, out);
  }

  leave(out: SecondaryEffect[]): void {
    const { ballot, self } = this.parts;
    send({ type: 'leave', ...ballot.id, node: self.node }, out);
  }
}

function send(message: WireMessage, out: SecondaryEffect[]): void {
  out.push({ do: 'send', to: null, message });
}

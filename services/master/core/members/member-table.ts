/**
 * What the master knows of each member: its position, whether it is up, where it is reached. One
 * set of members for all three.
 */
import type { Voter } from '#protocol/record';
import { trace } from '#protocol/trace';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import type { MissingNode } from '../append';
import type { MasterEffect } from '../events';
import { AckTracker } from './ack-tracker';
import { FailureDetector, type Transition } from './failure-detector';

export interface MemberState extends MissingNode {
  /** Seq up to which it is known to hold the log. */
  readonly acked: number;
  readonly httpUrl: string | null;
  /**
   * Its log is not this one: seq of the first entry that differs, 0 while that is not found. Null:
   * it agrees, as far as known.
   */
  readonly differsAt: number | null;
}

export class MemberTable {
  readonly tracker = new AckTracker();
  private readonly detector: FailureDetector;
  private readonly httpUrls = new Map<string, string>();
  private readonly differing = new Map<string, number>();
  /** Members that belong to this log, as their last message said; the others are blank. */
  private readonly following = new Set<string>();
  /**
   * The store of each member that came back with less than it had acknowledged: it counts no more.
   */
  private readonly rolledBack = new Map<string, string>();

  constructor(bounds: { readonly suspectAfterMs: number; readonly unhealthyAfterMs: number }) {
    this.detector = new FailureDetector(bounds);
  }

  setMembers(members: readonly string[]): void {
    this.tracker.setMembers(members);
    this.detector.setMembers(members);
    for (const node of [...this.differing.keys()]) if (!members.includes(node)) this.differing.delete(node);
    for (const node of [...this.httpUrls.keys()]) if (!members.includes(node)) this.httpUrls.delete(node);
    for (const node of [...this.following]) if (!members.includes(node)) this.following.delete(node);
    for (const node of [...this.rolledBack.keys()]) if (!members.includes(node)) this.rolledBack.delete(node);
  }

  /** A message of a member is a sign of life, unless it says goodbye. */
  recordHeard(now: number, message: WireMessage & { readonly node: string }, out: MasterEffect[]): void {
    const { node, type } = message;
    const transition = type === 'leave' ? this.detector.recordLeft(now, node) : this.detector.recordHeard(now, node);
    if (transition !== null) out.push(traceOf(transition));
    if ('httpUrl' in message) this.httpUrls.set(node, message.httpUrl);
    if (message.log === null) this.following.delete(node);
    else this.following.add(node);
  }

  /**
   * A node of this name holds another log: the member is not there, and what it had acknowledged
   * was on a disk that it has no more, or was cut.
   */
  recordForeign(now: number, message: WireMessage & { readonly node: string }, out: MasterEffect[]): void {
    const { node } = message;
    this.following.delete(node);
    if ('store' in message) this.tracker.recordJoin(message);
    this.tracker.forget(node);
    const transition = this.detector.recordGone(now, node);
    if (transition !== null) out.push(traceOf(transition));
  }

  /**
   * Has this very store acknowledged more than it comes back with? Then it was rolled back, and has
   * forgotten what it said.
   */
  isRolledBack({ node, store, lastIndex }: Voter & { readonly lastIndex: number }): boolean {
    return this.mustRenew({ node, store }) || this.tracker.indexOf({ node, store }) > lastIndex;
  }

  /** Is this the store that came back with less? */
  mustRenew({ node, store }: Voter): boolean {
    return this.rolledBack.get(node) === store;
  }

  /** Until it comes with another store it counts for nothing. */
  recordRolledBack({ node, store }: Voter): void {
    this.rolledBack.set(node, store);
    this.tracker.forget(node);
  }

  /** A start or a reconnection: its position is that of the store it comes with. */
  recordJoin(voter: Voter & { readonly lastIndex: number; readonly lastEpoch: number }, out: MasterEffect[]): void {
    const { node, store, lastIndex, lastEpoch } = voter;
    const isNew = this.recordStore(voter);
    const what = isNew ? 'joins with another store' : 'joins';
    out.push(trace(isNew ? 'warn' : 'info', what, { peer: node, store, lastIndex, lastEpoch }));
  }

  /**
   * A member's newest store is the one it speaks for now: its join may have been lost, and it does
   * not join again. Its control queue is exclusive, so nothing of its former process comes behind
   * this. Returns true when it is another store than before.
   */
  recordStore(voter: Voter): boolean {
    const isNew = this.tracker.recordJoin(voter);
    if (isNew) this.differing.delete(voter.node);
    if (this.rolledBack.has(voter.node) && this.rolledBack.get(voter.node) !== voter.store)
      this.rolledBack.delete(voter.node);
    return isNew;
  }

  /**
   * Takes the position that a member reports. True: it counts, and is above what was known.
   * @param expected own checksum at the index of a heartbeat; null: not known
   */
  recordPosition(report: MessageOf<'ack' | 'heartbeat'>, expected: number | null, out: MasterEffect[]): boolean {
    this.recordStore(report);
    if (report.type === 'heartbeat') this.compare(report, expected, out);
    return this.agrees(report.node) && this.tracker.recordAck(report);
  }

  /**
   * Compares what a member says it holds with `expected`, the own checksum at its index; null: not
   * known.
   */
  compare(beat: MessageOf<'heartbeat'>, expected: number | null, out: MasterEffect[]): void {
    const { node, index, checksum, differsAt } = beat;
    const differs =
      differsAt !== undefined || (expected !== null && checksum !== undefined && index > 0 && expected !== checksum);
    const known = this.differing.get(node);
    if (!differs || (known !== undefined && (differsAt ?? 0) <= known)) return;
    this.differing.set(node, differsAt ?? 0);
    this.tracker.forget(node);
    out.push(trace('error', 'a member holds another log', { peer: node, index, seq: differsAt ?? null }));
  }

  /** May its acks be counted? */
  agrees(node: string): boolean {
    return !this.differing.has(node) && !this.rolledBack.has(node);
  }

  tick(now: number, out: MasterEffect[]): void {
    for (const transition of this.detector.tick(now)) out.push(traceOf(transition));
  }

  get aliveCount(): number {
    return this.detector.aliveCount();
  }

  /** Members that are up and belong to this log. */
  get followers(): readonly string[] {
    return this.tracker.members.filter((node) => this.isAlive(node) && this.following.has(node));
  }

  isAlive(node: string): boolean {
    return this.detector.isAlive(node);
  }

  stateOf(now: number, id: string): MemberState {
    return {
      id,
      status: this.detector.statusOf(id),
      lastSeenMs: wholeMs(this.detector.silentMs(now, id)),
      ...(this.detector.hasLeft(id) ? { left: true } : {}),
      acked: this.tracker.appliedOf(id),
      httpUrl: this.httpUrls.get(id) ?? null,
      differsAt: this.differing.get(id) ?? null,
    };
  }

  /** The members that are not Healthy. */
  missing(now: number): MissingNode[] {
    const states = this.tracker.members.map((id) => this.stateOf(now, id));
    return states
      .filter(({ status }) => status !== 'Healthy')
      .map(({ id, status, lastSeenMs, left }) => ({ id, status, lastSeenMs, ...(left === true ? { left } : {}) }));
  }
}

function traceOf({ node, from, to, silentMs }: Transition): MasterEffect {
  const level = to === 'Healthy' ? 'info' : 'warn';
  return trace(level, `becomes ${to}`, { peer: node, from, silentMs: wholeMs(silentMs) });
}

function wholeMs(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}

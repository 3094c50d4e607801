/**
 * Keeps the state of each member: its position, its status, its URL, and whether its log agrees
 * with this one.
 */
import type { Voter } from '#protocol/record';
import { trace } from '#protocol/trace';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import type { MissingNode } from '../append';
import type { MasterEffect } from '../events';
import { AckTracker } from './ack-tracker';
import { FailureDetector, type Transition } from './failure-detector';

/** The state of a member, as `/health` shows it. */
export interface MemberState extends MissingNode {
  /** Seq up to which it is known to hold the log; 0: nothing yet. */
  readonly acked: number;
  /** URL of its HTTP edge; null: not reported yet. */
  readonly httpUrl: string | null;
  /**
   * Seq of the first entry that differs from this log; 0: it differs, but the entry is not found
   * yet. Null: the logs agree, as far as is known.
   */
  readonly differsAt: number | null;
}

/** The members of this master. Times are milliseconds. */
export class MemberTable {
  readonly tracker = new AckTracker();
  private readonly detector: FailureDetector;
  private readonly httpUrls = new Map<string, string>();
  private readonly differing = new Map<string, number>();
  /** Members whose last message named this log; the others are blank. */
  private readonly following = new Set<string>();
  /** Stores that came back with less than they had acknowledged, by member. They do not count. */
  private readonly rolledBack = new Map<string, string>();

  constructor(bounds: { readonly suspectAfterMs: number; readonly unhealthyAfterMs: number }) {
    this.detector = new FailureDetector(bounds);
  }

  /** Sets the members. The states of members that stay are kept. */
  setMembers(members: readonly string[]): void {
    this.tracker.setMembers(members);
    this.detector.setMembers(members);
    for (const node of [...this.differing.keys()]) if (!members.includes(node)) this.differing.delete(node);
    for (const node of [...this.httpUrls.keys()]) if (!members.includes(node)) this.httpUrls.delete(node);
    for (const node of [...this.following]) if (!members.includes(node)) this.following.delete(node);
    for (const node of [...this.rolledBack.keys()]) if (!members.includes(node)) this.rolledBack.delete(node);
  }

  /** A message of a member is a sign of life, except `leave`. */
  recordHeard(now: number, message: WireMessage & { readonly node: string }, out: MasterEffect[]): void {
    const { node, type } = message;
    const transition = type === 'leave' ? this.detector.recordLeft(now, node) : this.detector.recordHeard(now, node);
    if (transition !== null) out.push(traceOf(transition));
    if ('httpUrl' in message) this.httpUrls.set(node, message.httpUrl);
    if (message.log === null) this.following.delete(node);
    else this.following.add(node);
  }

  /**
   * A node of this name holds another log, so the member is gone. The records that it acknowledged
   * were on a former disk, or were truncated.
   */
  recordForeign(now: number, message: WireMessage & { readonly node: string }, out: MasterEffect[]): void {
    const { node } = message;
    this.following.delete(node);
    if ('store' in message) this.tracker.recordJoin(message);
    this.tracker.forget(node);
    const transition = this.detector.recordGone(now, node);
    if (transition !== null) out.push(traceOf(transition));
  }

  /** Did this store acknowledge more than it comes back with? Then an older copy was restored. */
  isRolledBack({ node, store, lastIndex }: Voter & { readonly lastIndex: number }): boolean {
    return this.mustRenew({ node, store }) || this.tracker.indexOf({ node, store }) > lastIndex;
  }

  /** Is this a store that came back with less than it had acknowledged? */
  mustRenew({ node, store }: Voter): boolean {
    return this.rolledBack.get(node) === store;
  }

  /** The store came back with less: the member counts again once it has another store. */
  recordRolledBack({ node, store }: Voter): void {
    this.rolledBack.set(node, store);
    this.tracker.forget(node);
  }

  /** The member has started or reconnected: its position is that of its present store. */
  recordJoin(voter: Voter & { readonly lastIndex: number; readonly lastEpoch: number }, out: MasterEffect[]): void {
    const { node, store, lastIndex, lastEpoch } = voter;
    const isNew = this.recordStore(voter);
    const event = isNew ? 'member.joined-with-new-store' : 'member.joined';
    out.push(trace(isNew ? 'warn' : 'info', event, { peer: node, store, lastIndex, lastEpoch }));
  }

  /**
   * Takes the store that a message names as the member's newest one: the member's join may have
   * been lost. Its control queue is exclusive, so no message of its former process comes later.
   * @returns true when it is another store than before
   */
  recordStore(voter: Voter): boolean {
    const isNew = this.tracker.recordJoin(voter);
    if (isNew) this.differing.delete(voter.node);
    if (this.rolledBack.has(voter.node) && this.rolledBack.get(voter.node) !== voter.store)
      this.rolledBack.delete(voter.node);
    return isNew;
  }

  /**
   * Takes the position that a member reports.
   * @param expected this log's checksum at the index of a heartbeat; null: not known
   * @returns true when the position counts and is above the known one
   */
  recordPosition(report: MessageOf<'ack' | 'heartbeat'>, expected: number | null, out: MasterEffect[]): boolean {
    this.recordStore(report);
    if (report.type === 'heartbeat') this.compare(report, expected, out);
    return this.agrees(report.node) && this.tracker.recordAck(report);
  }

  /**
   * Compares a member's log with this one.
   * @param expected this log's checksum at the heartbeat's index; null: not known
   */
  compare(beat: MessageOf<'heartbeat'>, expected: number | null, out: MasterEffect[]): void {
    const { node, index, checksum, differsAt } = beat;
    const differs =
      differsAt !== undefined || (expected !== null && checksum !== undefined && index > 0 && expected !== checksum);
    const known = this.differing.get(node);
    if (!differs || (known !== undefined && (differsAt ?? 0) <= known)) return;
    this.differing.set(node, differsAt ?? 0);
    this.tracker.forget(node);
    out.push(trace('error', 'member.differs', { peer: node, index, seq: differsAt ?? null }));
  }

  /** Do the member's acks count? */
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

const EVENT_OF_STATUS = {
  Healthy: 'member.healthy',
  Suspected: 'member.suspected',
  Unhealthy: 'member.unhealthy',
} as const;

function traceOf({ node, from, to, silentMs }: Transition): MasterEffect {
  const level = to === 'Healthy' ? 'info' : 'warn';
  return trace(level, EVENT_OF_STATUS[to], { peer: node, from, silentMs: wholeMs(silentMs) });
}

function wholeMs(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms);
}

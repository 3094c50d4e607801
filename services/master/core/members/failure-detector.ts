/**
 * Which members are believed to be up, from the time of their last sign of life. A sign of life is
 * any message of the member, so one that is slow to append but still beats is Healthy.
 *
 *     (start) Unknown ──heard──▶ Healthy ──silent for suspectAfterMs──▶ Suspected ──silent for unhealthyAfterMs──▶ Unhealthy
 *                                   ▲◀───────────────heard──────────────────┴───────────────────heard───────────────┘
 *     any ──left, or gone──▶ Unhealthy (a clean stop is not waited out)
 *
 * Time is the caller's monotonic clock in milliseconds.
 */

/**
 * Unknown: never heard since this master started. Only Healthy and Suspected members count as
 * alive.
 */
export type MemberStatus = 'Unknown' | 'Healthy' | 'Suspected' | 'Unhealthy';

export interface Transition {
  readonly node: string;
  readonly from: MemberStatus;
  readonly to: MemberStatus;
  /** How long it had been silent; null: never heard before. */
  readonly silentMs: number | null;
}

interface Watched {
  status: MemberStatus;
  /** null: never heard. */
  lastSeenAt: number | null;
  /** Its last message said that it stops. */
  hasLeft: boolean;
}

export class FailureDetector {
  private readonly watched = new Map<string, Watched>();

  constructor(private readonly bounds: { readonly suspectAfterMs: number; readonly unhealthyAfterMs: number }) {}

  /** The members from now on; what is known of those that stay is kept. */
  setMembers(members: readonly string[]): void {
    for (const node of [...this.watched.keys()]) {
      if (!members.includes(node)) this.watched.delete(node);
    }
    for (const node of members) {
      if (!this.watched.has(node)) this.watched.set(node, { status: 'Unknown', lastSeenAt: null, hasLeft: false });
    }
  }

  /** A sign of life. One is enough to be Healthy again. */
  recordHeard(now: number, node: string): Transition | null {
    const member = this.watched.get(node);
    if (member === undefined) return null;
    const silentMs = member.lastSeenAt === null ? null : now - member.lastSeenAt;
    member.lastSeenAt = now;
    member.hasLeft = false;
    return become(node, member, 'Healthy', silentMs);
  }

  /** The member said that it stops. */
  recordLeft(now: number, node: string): Transition | null {
    const transition = this.recordGone(now, node);
    const member = this.watched.get(node);
    if (member !== undefined) member.hasLeft = true;
    return transition;
  }

  /** It is known not to be there, though it did not say that it stops. */
  recordGone(now: number, node: string): Transition | null {
    const member = this.watched.get(node);
    if (member === undefined) return null;
    return become(node, member, 'Unhealthy', member.lastSeenAt === null ? null : now - member.lastSeenAt);
  }

  /** What silence alone has changed by now. */
  tick(now: number): Transition[] {
    const transitions: Transition[] = [];
    for (const [node, member] of this.watched) {
      if (member.lastSeenAt === null || !isUp(member.status)) continue;
      const silentMs = now - member.lastSeenAt;
      const transition = become(node, member, this.statusAfter(silentMs), silentMs);
      if (transition !== null) transitions.push(transition);
    }
    return transitions;
  }

  statusOf(node: string): MemberStatus {
    return this.watched.get(node)?.status ?? 'Unknown';
  }

  /** Healthy or Suspected. */
  isAlive(node: string): boolean {
    return isUp(this.statusOf(node));
  }

  /** Did its last message say that it stops? */
  hasLeft(node: string): boolean {
    return this.watched.get(node)?.hasLeft ?? false;
  }

  /** Milliseconds since the last sign of life; null: never heard. */
  silentMs(now: number, node: string): number | null {
    const lastSeenAt = this.watched.get(node)?.lastSeenAt ?? null;
    return lastSeenAt === null ? null : now - lastSeenAt;
  }

  /** Members that are Healthy or Suspected. */
  aliveCount(): number {
    let alive = 0;
    for (const { status } of this.watched.values()) if (isUp(status)) alive += 1;
    return alive;
  }

  toString(): string {
    return [...this.watched].map(([node, { status }]) => `${node}:${status}`).join(' ');
  }

  private statusAfter(silentMs: number): MemberStatus {
    if (silentMs >= this.bounds.unhealthyAfterMs) return 'Unhealthy';
    return silentMs >= this.bounds.suspectAfterMs ? 'Suspected' : 'Healthy';
  }
}

function isUp(status: MemberStatus): boolean {
  return status === 'Healthy' || status === 'Suspected';
}

function become(node: string, member: Watched, to: MemberStatus, silentMs: number | null): Transition | null {
  const from = member.status;
  if (from === to) return null;
  member.status = to;
  return { node, from, to, silentMs };
}

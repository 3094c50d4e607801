/**
 * Decides which members are believed to be up, by the time of their last message. Any message
 * counts, so a member that is slow to append but sends heartbeats is Healthy.
 *
 *     (start) Unknown
 *     any ──heard──▶ Healthy
 *     Healthy ──silent for suspectAfterMs──▶ Suspected ──silent for unhealthyAfterMs──▶ Unhealthy
 *     any ──left, or gone──▶ Unhealthy (at once)
 *
 * Time is the caller's monotonic clock in milliseconds.
 */

/**
 * State of a member. Unknown: not heard since this master started. Only Healthy and Suspected
 * members count as alive.
 */
export type MemberStatus = 'Unknown' | 'Healthy' | 'Suspected' | 'Unhealthy';

/** A change of a member's status. */
export interface Transition {
  readonly node: string;
  readonly from: MemberStatus;
  readonly to: Exclude<MemberStatus, 'Unknown'>;
  /** Milliseconds since its last message before the change; null: it was never heard. */
  readonly silentMs: number | null;
}

interface Watched {
  status: MemberStatus;
  /** null: never heard. */
  lastSeenAt: number | null;
  /** Its last message said that it stops. */
  hasLeft: boolean;
}

/** The statuses of the members. `record…` returns the transition, null when there is none. */
export class FailureDetector {
  private readonly watched = new Map<string, Watched>();

  constructor(private readonly bounds: { readonly suspectAfterMs: number; readonly unhealthyAfterMs: number }) {}

  /** Sets the members. The statuses of members that stay are kept. */
  setMembers(members: readonly string[]): void {
    for (const node of [...this.watched.keys()]) {
      if (!members.includes(node)) this.watched.delete(node);
    }
    for (const node of members) {
      if (!this.watched.has(node)) this.watched.set(node, { status: 'Unknown', lastSeenAt: null, hasLeft: false });
    }
  }

  /** A message of the member has come: it is Healthy. */
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

  /** The member is known to be gone, although it did not announce a stop. */
  recordGone(now: number, node: string): Transition | null {
    const member = this.watched.get(node);
    if (member === undefined) return null;
    return become(node, member, 'Unhealthy', member.lastSeenAt === null ? null : now - member.lastSeenAt);
  }

  /** The transitions of members that have been silent for too long. */
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

  /** Milliseconds since the member's last message; null: never heard. */
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

  private statusAfter(silentMs: number): Transition['to'] {
    if (silentMs >= this.bounds.unhealthyAfterMs) return 'Unhealthy';
    return silentMs >= this.bounds.suspectAfterMs ? 'Suspected' : 'Healthy';
  }
}

function isUp(status: MemberStatus): boolean {
  return status === 'Healthy' || status === 'Suspected';
}

function become(node: string, member: Watched, to: Transition['to'], silentMs: number | null): Transition | null {
  const from = member.status;
  if (from === to) return null;
  member.status = to;
  return { node, from, to, silentMs };
}

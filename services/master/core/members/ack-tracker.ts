/**
 * Tracks for each member the index up to which it holds this epoch's log (Raft: matchIndex). Acks
 * are cumulative, so a lost or repeated ack costs nothing.
 *
 * A position belongs to a store, not to a name. A member that joins with another store starts at 0,
 * and the acks of its former store never count again. So one member never counts twice for w. After
 * etcd-io/raft's tracker and hashicorp/raft's commitment.
 */
import type { Voter } from '#protocol/record';

interface Position {
  /** '' until the member was heard. */
  readonly store: string;
  readonly index: number;
  /** Seq of the last entry at or before `index`, as the member reports. */
  readonly applied: number;
}

const NOTHING: Position = { store: '', index: 0, applied: 0 };

/** The positions of the members; 0 is "nothing yet". */
export class AckTracker {
  private readonly positions = new Map<string, Position>();

  /** Sets the members. The positions of members that stay are kept. */
  setMembers(members: readonly string[]): void {
    for (const node of [...this.positions.keys()]) {
      if (!members.includes(node)) this.positions.delete(node);
    }
    for (const node of members) {
      if (!this.positions.has(node)) this.positions.set(node, NOTHING);
    }
  }

  /** A new reign: every position starts at 0. The stores are kept. */
  reset(): void {
    for (const [node, { store }] of this.positions) this.positions.set(node, { ...NOTHING, store });
  }

  /**
   * The member has started or reconnected.
   * @returns true when it has another store than before
   */
  recordJoin({ node, store }: Voter): boolean {
    const known = this.positions.get(node);
    if (known === undefined || known.store === store) return false;
    this.positions.set(node, { ...NOTHING, store });
    return known.store !== '';
  }

  /** The member's log is not this one: its position is 0 from now on. */
  forget(node: string): void {
    const known = this.positions.get(node);
    if (known !== undefined) this.positions.set(node, { ...NOTHING, store: known.store });
  }

  /**
   * Takes an ack.
   * @returns false when it changes nothing: its node is no member, it is not of the member's newest
   *   store, or its index is not above the known one
   */
  recordAck({ node, store, index, applied }: Voter & { index: number; applied: number }): boolean {
    const known = this.positions.get(node);
    if (known === undefined || (known.store !== '' && known.store !== store)) return false;
    if (index <= known.index) {
      if (known.store === '') this.positions.set(node, { ...known, store });
      return false;
    }
    this.positions.set(node, { store, index, applied });
    return true;
  }

  get members(): readonly string[] {
    return [...this.positions.keys()];
  }

  /** The member's newest store; '' for one that was never heard. */
  storeOf(node: string): string {
    return this.positions.get(node)?.store ?? '';
  }

  /** Index that this node with this store holds; 0 for another store of the node. */
  indexOf({ node, store }: Voter): number {
    const known = this.positions.get(node);
    return known !== undefined && known.store === store ? known.index : 0;
  }

  /** Seq up to which the member is known to hold the log. */
  appliedOf(node: string): number {
    return this.positions.get(node)?.applied ?? 0;
  }

  /** Members that hold the record at `index`, in the order in which they became members. */
  holdersOf(index: number): string[] {
    const holders: string[] = [];
    for (const [node, position] of this.positions) {
      if (position.index >= index) holders.push(node);
    }
    return holders;
  }

  /** Indexes held by the members, highest first: the k-th is held by k members. */
  descendingIndexes(): number[] {
    return [...this.positions.values()].map(({ index }) => index).sort((a, b) => b - a);
  }

  toString(): string {
    return [...this.positions].map(([node, { index }]) => `${node}:${index}`).join(' ');
  }
}

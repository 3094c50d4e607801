/**
 * Who holds what: for every member the index up to which it holds this epoch's log, as its newest
 * ack says. Acks are cumulative, so a lost or repeated one costs nothing.
 *
 * A position belongs to a store, not to a name: a member that joins with another store starts at
 * nothing, and what its former store acked never counts again. So w is never met twice by one
 * member. After etcd-io/raft's tracker and hashicorp/raft's commitment.
 */
import type { Voter } from '#protocol/record';

interface Position {
  /** '' until the member was heard. */
  readonly store: string;
  readonly index: number;
  /** Seq of the last entry at `index`, as the member says. */
  readonly applied: number;
}

const NOTHING: Position = { store: '', index: 0, applied: 0 };

export class AckTracker {
  private readonly positions = new Map<string, Position>();

  /** The members from now on; positions of those that stay are kept. */
  setMembers(members: readonly string[]): void {
    for (const node of [...this.positions.keys()]) {
      if (!members.includes(node)) this.positions.delete(node);
    }
    for (const node of members) {
      if (!this.positions.has(node)) this.positions.set(node, NOTHING);
    }
  }

  /** A new reign: nobody holds anything of it yet. */
  reset(): void {
    for (const [node, { store }] of this.positions) this.positions.set(node, { ...NOTHING, store });
  }

  /**
   * A start or a reconnection of the member. Returns true when it came with another store than
   * before.
   */
  recordJoin({ node, store }: Voter): boolean {
    const known = this.positions.get(node);
    if (known === undefined || known.store === store) return false;
    this.positions.set(node, { ...NOTHING, store });
    return known.store !== '';
  }

  /**
   * What the member holds is not this log: it counts for nothing until it joins with another store.
   */
  forget(node: string): void {
    const known = this.positions.get(node);
    if (known !== undefined) this.positions.set(node, { ...NOTHING, store: known.store });
  }

  /**
   * False when the ack taught nothing: not a member, not its newest store, or not above what was
   * known.
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

  /** Index that this very voter, node and store, holds; 0 for another store of the node. */
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

  /** Indexes held, highest first: the k-th of them is held by k members. */
  descendingIndexes(): number[] {
    return [...this.positions.values()].map(({ index }) => index).sort((a, b) => b - a);
  }

  toString(): string {
    return [...this.positions].map(([node, { index }]) => `${node}:${index}`).join(' ');
  }
}

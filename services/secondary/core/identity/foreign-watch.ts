/**
 * Keeps the master of another log that this node has met. A foreign node exchanges no records,
 * keeps every record that it holds, releases its node id, and connects again after a pause.
 *
 *     own log ──`record`: a claim or an announcement of another log──▶ foreign
 *     foreign ──`clear`: a claim or an announcement that this node can follow──▶ own log
 */
import type { Identity } from '#protocol/identity';

/** The sender of a claim or an announcement of another log. */
export interface ForeignMaster {
  readonly node: string;
  /** Its log; null: it names none. */
  readonly log: Identity | null;
}

/** One of them at a time: the last. */
export class ForeignWatch {
  /** The last one; null: none since `clear`. It changes by the methods only. */
  master: ForeignMaster | null = null;

  /** @returns true when it is another one than the last */
  record(master: ForeignMaster): boolean {
    const isNew = this.master?.log !== master.log || this.master?.node !== master.node;
    this.master = master;
    return isNew;
  }

  /** This node can follow the sender of a claim or an announcement. */
  clear(): void {
    this.master = null;
  }
}

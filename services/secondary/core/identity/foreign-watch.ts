/**
 * Keeps the master of another log that this node has heard. A foreign node exchanges no records,
 * keeps every record that it holds, releases its node id, and connects again after a pause.
 *
 *     own log ──`record`: a claim or an announcement of another log──▶ foreign
 *     foreign ──`clear`: a claim or an announcement that this node can follow──▶ own log
 */
import type { Identity } from '#protocol/identity';

export interface ForeignMaster {
  readonly node: string;
  /** Its log; null: a candidate without a log, where this node cannot be followed by it. */
  readonly log: Identity | null;
}

export class ForeignWatch {
  /** The one heard last; null: none since this node's own master. Changed by the methods only. */
  master: ForeignMaster | null = null;

  /** @returns true when it is another one than the last */
  record(master: ForeignMaster): boolean {
    const isNew = this.master?.log !== master.log || this.master?.node !== master.node;
    this.master = master;
    return isNew;
  }

  /** A master or candidate was heard that this node can follow. */
  clear(): void {
    this.master = null;
  }
}

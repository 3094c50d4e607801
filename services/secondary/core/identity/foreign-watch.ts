/**
 * A master of another log. A node that meets one does nothing for it and takes nothing from it: it
 * keeps every record that it holds, gives its node id free for whoever belongs there, and looks
 * again after a while.
 *
 *     at home ──a claim or an announcement of another log──▶ foreign ──one that this node can follow──▶ at home
 */
import type { Identity } from '#protocol/identity';

/** Who has another log. */
export interface Met {
  readonly node: string;
  /** Null: its log does not go on where this node's does, and it does not say so. */
  readonly log: Identity | null;
}

export class ForeignWatch {
  private met: Met | null = null;

  /**
   * Whom this node has met who has another log; null: nobody, or not since it met its own master.
   */
  get master(): Met | null {
    return this.met;
  }

  /** True when that is news. */
  meet(met: Met): boolean {
    const isNews = this.met?.log !== met.log || this.met?.node !== met.node;
    this.met = met;
    return isNews;
  }

  /** A master that this node can follow was heard. */
  returnHome(): void {
    this.met = null;
  }
}

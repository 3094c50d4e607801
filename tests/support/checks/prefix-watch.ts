/**
 * Readers that poll every node as fast as it answers, and what they must see at each look (S1, S2):
 * the seqs 1…k without a gap or a duplicate, never fewer than before, and at each seq the same
 * entry as any look at any node before.
 */
import type { Entry } from '#protocol/entry';
import type { HttpNode } from '../http/http-node';

/** Whatever shows a log. */
type Watched = Pick<HttpNode, 'id' | 'entries'>;

export class PrefixWatch {
  looks = 0;
  private isOver = false;
  /** The one order: the entry that was first seen at each seq, as JSON. */
  private readonly order: string[] = [];
  private readonly watching: Promise<unknown>;

  constructor(nodes: readonly Watched[]) {
    this.watching = Promise.all(nodes.map((node) => this.watch(node)));
    // Whoever stops the watch is told; until then nobody waits for it.
    this.watching.catch(() => undefined);
  }

  /**
   * Ends the watch after a last look at every node. Rejects with the first thing that a reader must
   * not see.
   */
  async stop(): Promise<void> {
    this.isOver = true;
    await this.watching;
  }

  private async watch(node: Watched): Promise<void> {
    let seen = 0;
    for (let isLast = false; !isLast; ) {
      isLast = this.isOver;
      const entries = await node.entries();
      if (entries.length < seen) throw new Error(`${node.id} shows ${entries.length} entries after ${seen}`);
      seen = entries.length;
      entries.forEach((entry, at) => void this.check(node, entry, at));
      this.looks += 1;
    }
  }

  private check(node: Watched, entry: Entry, at: number): void {
    if (entry.seq !== at + 1) throw new Error(`${node.id} shows seq ${entry.seq} in place ${at + 1}`);
    const text = JSON.stringify(entry);
    const first = this.order[at];
    if (first === undefined) this.order[at] = text;
    else if (first !== text)
      throw new Error(`${node.id} shows ${text} at seq ${entry.seq}; a reader saw ${first} there`);
  }
}

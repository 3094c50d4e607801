/**
 * Keeps the nodes that hold another log than this master. They are shown to an operator. Their
 * messages count for no decision except that no log begins beside theirs.
 */
import type { Identity } from '#protocol/identity';
import type { WireMessage } from '#protocol/wire/messages';

/** A node that holds another log, as its messages say. */
export interface ForeignNode {
  /** Name of the node. */
  readonly id: string;
  /** Null: its messages do not name a log. */
  readonly log: Identity | null;
  /** Highest seq that it reports; 0: no entry. */
  readonly lastSeq: number;
}

/** Time without a message after which a node is forgotten; a foreign node is heard more often. */
const KEPT_MS = 60_000;
/** More nodes than a log has. The node that was heard longest ago is dropped. */
const NODES_MAX = 1_024;

/** The foreign nodes that were heard lately. Times are milliseconds. */
export class ForeignNodes {
  private readonly nodes = new Map<string, ForeignNode & { readonly at: number }>();

  /** @returns true when the node was not known to hold that log */
  record(now: number, message: WireMessage & { readonly node: string }): boolean {
    const { node: id, log } = message;
    const known = this.nodes.get(id);
    const lastSeq = seqIn(message) ?? known?.lastSeq ?? 0;
    this.nodes.delete(id);
    this.nodes.set(id, { id, log, lastSeq, at: now });
    for (const oldest of this.nodes.keys()) {
      if (this.nodes.size <= NODES_MAX) break;
      this.nodes.delete(oldest);
    }
    return known?.log !== log;
  }

  /** A node of this name was heard that holds this master's log, or none. */
  forget(node: string): void {
    this.nodes.delete(node);
  }

  /** For a cheap check at every append. */
  get isEmpty(): boolean {
    return this.nodes.size === 0;
  }

  all(now: number): readonly ForeignNode[] {
    for (const [id, { at }] of [...this.nodes]) if (now - at > KEPT_MS) this.nodes.delete(id);
    return [...this.nodes.values()].map(({ id, log, lastSeq }) => ({ id, log, lastSeq }));
  }

  toString(): string {
    return [...this.nodes.keys()].join(' ');
  }
}

function seqIn(message: WireMessage): number | null {
  if (message.type === 'vote' || message.type === 'join') return message.lastSeq;
  return message.type === 'heartbeat' || message.type === 'ack' ? message.applied : null;
}

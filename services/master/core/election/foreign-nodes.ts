/**
 * Nodes that hold another log under a name of this one: shown to an operator, and nothing else.
 * What they say is counted nowhere, they are asked for nothing, and nothing of theirs is touched.
 */
import type { Identity } from '#protocol/identity';
import type { WireMessage } from '#protocol/wire/messages';

export interface ForeignNode {
  readonly id: string;
  /** Null: it does not say so. */
  readonly log: Identity | null;
  /** Highest seq that it holds, as it says; 0: no entry. */
  readonly lastSeq: number;
}

/** Each comes back now and then to look whether its own master is there. */
const KEPT_MS = 60_000;
const NODES_MAX = 1_024;

export class ForeignNodes {
  private readonly nodes = new Map<string, ForeignNode & { readonly at: number }>();

  /** True when the node was not known to be foreign. */
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

  /** A node of this name was heard that holds this log, or none. */
  forget(node: string): void {
    this.nodes.delete(node);
  }

  /** Asked with every append. */
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

/**
 * Nodes of a release that knows no log ids. They are shown to the operator, and what they say is
 * dropped, since it does not say which log they hold. A node leaves the list with its first message
 * of this release.
 */
import type { Logger } from 'pino';
import type { Malformed } from '#amqp/wire';

/** More than a log has nodes. */
const NODES_MAX = 64;

export class OutdatedNodes {
  private readonly nodes = new Set<string>();

  constructor(private readonly logger: Logger) {}

  get names(): readonly string[] {
    return [...this.nodes];
  }

  noteMalformed(what: Malformed): void {
    const { outdatedNode } = what;
    if (outdatedNode === null) this.logger.warn(what, 'a malformed wire message was dropped');
    if (outdatedNode === null || this.nodes.has(outdatedNode) || this.nodes.size >= NODES_MAX) return;
    this.nodes.add(outdatedNode);
    const facts = { peer: outdatedNode, type: what.type };
    this.logger.error(facts, 'a node of an older release says no log id: upgrade it, all nodes together');
  }

  noteUpgraded(node: string): void {
    this.nodes.delete(node);
  }
}

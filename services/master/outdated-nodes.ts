/**
 * Nodes of a release that knows no log ids. They are shown to the operator, and what they say is
 * dropped, since it does not say which log they hold. A node leaves the list with its first message
 * of this release.
 */

import type { Logger } from 'pino';
import type { Malformed } from '#amqp/wire';
import { logEvent } from '#process/logger';

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
    if (outdatedNode === null) logEvent(this.logger, 'warn', 'wire.malformed', what);
    if (outdatedNode === null || this.nodes.has(outdatedNode) || this.nodes.size >= NODES_MAX) return;
    this.nodes.add(outdatedNode);
    const facts = { peer: outdatedNode, type: what.type };
    logEvent(this.logger, 'error', 'node.outdated', facts);
  }

  noteUpgraded(node: string): void {
    this.nodes.delete(node);
  }
}

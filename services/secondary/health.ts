/**
 * Builds a secondary's answers to /health and /readyz from its view. It decides nothing.
 */
import type { Readiness } from '#http/probe-routes';
import { logIdOf } from '#protocol/identity';
import type { CatchUp } from './catch-up-meter';
import type { SecondaryView } from './core/view';
import type { SecondaryHealth } from './http/ports';

export interface HealthParts {
  readonly node: string;
  readonly view: SecondaryView;
  /** The broker takes no publishes. */
  readonly isBlocked: boolean;
  /** Null: the node does not catch up. */
  readonly catchUp: CatchUp | null;
}

export function secondaryHealth({ node, view, isBlocked, catchUp }: HealthParts): SecondaryHealth {
  const { applied, head, epoch, status, identity, foreignMaster: met, differsAt } = view;
  const { duplicates, gaps, fetches, staleEpoch } = view.counters;
  const foreign =
    met === null ? {} : { foreign: { master: met.node, log: met.log === null ? null : logIdOf(met.log) } };
  return {
    node,
    role: 'secondary',
    status,
    log: identity === null ? null : logIdOf(identity),
    ...foreign,
    epoch,
    applied,
    head,
    lag: head - applied,
    buffered: view.buffered,
    broker: { connected: view.isConnected, blocked: isBlocked },
    counters: { duplicates, gaps, fetches, staleEpoch },
    ...(differsAt === null ? {} : { differsAt }),
    ...(catchUp === null ? {} : { catchUp }),
  };
}

export function secondaryReadiness(view: SecondaryView): Readiness {
  return view.ready ? { ready: true } : { ready: false, reason: whyNotReady(view) };
}

function whyNotReady({ status, foreignMaster: met, identity, applied }: SecondaryView): string {
  if (status === 'removed') return 'removed: an operator has taken this node out of the log';
  if (met === null) return `${status}: the head first announced is not reached yet`;
  return `foreign: this node holds the log ${identity ?? 'of another master'}, ${applied === 0 ? 'and no entry of it' : `up to ${applied}`}; ${met.node} has the log ${met.log ?? 'of nobody'}`;
}

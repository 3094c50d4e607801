/**
 * Builds a secondary's answers to /health and /readyz from its view. It decides nothing.
 */
import type { Readiness } from '#http/probe-routes';
import { logIdOf } from '#protocol/identity';
import type { Shortage } from '#storage/log-store';
import type { SecondaryBrokerStatus } from './broker/secondary-broker';
import type { CatchUp } from './catch-up-meter';
import type { SecondaryView } from './core/view';
import type { SecondaryHealth } from './http/ports';

/** What the answers are built from. */
interface HealthParts {
  readonly node: string;
  readonly view: SecondaryView;
  readonly broker: Pick<
    SecondaryBrokerStatus,
    'blocked' | 'consuming' | 'redelivered' | 'dropped' | 'malformed' | 'trouble'
  >;
  /** What the broker's settings keep from working, as sentences. */
  readonly warnings: readonly string[];
  /** Null: the node does not catch up. */
  readonly catchUp: CatchUp | null;
  /** Of the disk; null while there is room. */
  readonly shortage: Shortage | null;
}

/** The body of `GET /health`. */
export function secondaryHealth({ node, view, broker, warnings, catchUp, shortage }: HealthParts): SecondaryHealth {
  const { applied, head, epoch, status, identity, foreignMaster: met, differsAt } = view;
  const { blocked, consuming, redelivered, dropped, malformed, trouble } = broker;
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
    ...(shortage === null ? {} : { storage: shortage }),
    broker: { connected: view.isConnected, blocked, consuming, ...(trouble === null ? {} : { trouble }) },
    counters: { ...view.counters, redelivered, dropped, malformed },
    ...(differsAt === null ? {} : { differsAt }),
    ...(catchUp === null ? {} : { catchUp }),
    ...(warnings.length > 0 ? { warning: warnings.join('; ') } : {}),
  };
}

/**
 * The answer to `GET /readyz`, with the reason when the node is not ready.
 * @param trouble why the broker gives this node no session; null: it does
 */
export function secondaryReadiness(view: SecondaryView, trouble: string | null): Readiness {
  if (view.ready) return { ready: true };
  const reason = whyNotReady(view);
  return { ready: false, reason: trouble === null ? reason : `${reason}; no session with the broker (${trouble})` };
}

function whyNotReady({ status, foreignMaster: met, identity, applied }: SecondaryView): string {
  if (status === 'removed') return 'removed: an operator has taken this node out of the log';
  if (met === null) return `${status}: the head first announced is not reached yet`;
  return `foreign: this node holds the log ${identity ?? 'of another master'}, ${applied === 0 ? 'and no entry of it' : `up to ${applied}`}; ${met.node} has the log ${met.log ?? 'of nobody'}`;
}

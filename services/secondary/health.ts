/**
 * What a secondary says of itself in /health and /readyz. It decides nothing; what it shows is the
 * machine's.
 */
import type { Readiness } from '#http/probe-routes';
import { logIdOf } from '#protocol/identity';
import type { CatchUp } from './catch-up-meter';
import type { SecondaryMachine } from './core/secondary';
import type { SecondaryHealth } from './http/ports';

export interface HealthParts {
  readonly node: string;
  readonly machine: SecondaryMachine;
  /** The broker takes no publishes. */
  readonly isBlocked: boolean;
  /** Null: the node does not catch up. */
  readonly catchUp: CatchUp | null;
}

export function secondaryHealth({ node, machine, isBlocked, catchUp }: HealthParts): SecondaryHealth {
  const { applied, head, epoch, status, identity, foreignMaster: met, differsAt } = machine;
  const { duplicates, gaps, fetches, staleEpoch } = machine.counters;
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
    buffered: machine.buffer.size,
    broker: { connected: machine.isConnected, blocked: isBlocked },
    counters: { duplicates, gaps, fetches, staleEpoch },
    ...(differsAt === null ? {} : { differsAt }),
    ...(catchUp === null ? {} : { catchUp }),
  };
}

export function secondaryReadiness(machine: SecondaryMachine): Readiness {
  return machine.ready ? { ready: true } : { ready: false, reason: whyNotReady(machine) };
}

function whyNotReady({ status, foreignMaster: met, identity, applied }: SecondaryMachine): string {
  if (status === 'removed') return 'removed: an operator has taken this node out of the log';
  if (met === null) return `${status}: the head first announced is not reached yet`;
  return `foreign: this node holds the log ${identity ?? 'of another master'}, ${applied === 0 ? 'and no entry of it' : `up to ${applied}`}; ${met.node} has the log ${met.log ?? 'of nobody'}`;
}

/**
 * What a master says of itself in /health and /members: positions, who is up, and what the log
 * would not survive now. It decides nothing; what it shows is the machine's.
 */
import type { Readiness } from '#http/probe-routes';
import { logIdOf } from '#protocol/identity';
import { majority, nodeCount } from '#protocol/write-concern';
import type { QueueWatch } from './broker/queue-watch';
import type { MasterSettings } from './config';
import type { MasterMachine } from './core/master';
import type { MasterHealth, MemberHealth, Unsurvivable } from './http/ports';

const WITHOUT_QUORUM =
  'QUORUM_APPEND=false: an acknowledged entry can be lost with a minority, and two masters can reign';

export interface HealthParts {
  readonly machine: MasterMachine;
  readonly settings: MasterSettings;
  readonly members: readonly MemberHealth[];
  /** Nodes of a release that knows no log ids. */
  readonly outdated: readonly string[];
}

export function masterHealth({ machine, settings, members, outdated }: HealthParts, now: number): MasterHealth {
  const { head, commit, quorum, forcedEpoch, reigningElsewhere: holder, identity, young } = machine;
  const phase = machine.isBeginning(now) && !quorum.ok ? 'reigning' : machine.phaseName;
  const readOnly = machine.refusal(now) !== null;
  const unsurvivable = machine.phaseName === 'reigning' && settings.quorumAppend ? unsurvivableLosses(machine) : null;
  const foreign = machine.foreign(now);
  const warnings = warningsOf(machine, settings);
  const isWell =
    members.every((member) => member.status === 'Healthy') &&
    unsurvivable === null &&
    foreign.length + outdated.length === 0 &&
    warnings.length === 0;
  const status = statusOf(phase, readOnly, isWell);
  const { votersUp, voters } = machine;
  return {
    node: settings.nodeId,
    role: 'master',
    status,
    log: identity === null ? null : logIdOf(identity),
    ...(identity?.includes('/') === true ? { branch: identity } : {}),
    epoch: machine.epoch.epoch,
    head,
    commit,
    quorum,
    readOnly,
    broker: machine.link,
    voters: { names: voters, up: votersUp === null ? null : votersUp.length },
    secondaries: members.map(({ voter: _, ...secondary }) => secondary),
    ...(young.length > 0 ? { young } : {}),
    ...(unsurvivable === null ? {} : { unsurvivable }),
    ...(foreign.length > 0 ? { foreign: foreign.map(shownForeign) } : {}),
    ...(outdated.length > 0 ? { outdated } : {}),
    ...(status === 'recovering' ? { waitingFor: machine.waitingFor(now) } : {}),
    ...(status === 'standby' ? { holder: holder?.node ?? null, holderUrl: holder?.httpUrl ?? null } : {}),
    ...(forcedEpoch === null ? {} : { forcedEpoch }),
    ...(warnings.length > 0 ? { warning: warnings.join('; ') } : {}),
  };
}

export function masterReadiness(machine: MasterMachine, now: number): Readiness {
  const refusal = machine.refusal(now);
  return refusal === null ? { ready: true } : { ready: false, reason: refusal.detail };
}

export function memberHealth(machine: MasterMachine, queues: QueueWatch | null, now: number): readonly MemberHealth[] {
  return machine.members.map((id) => {
    const { status, acked, lastSeenMs, left, httpUrl, voter, differsAt } = machine.member(now, id);
    const member = {
      id,
      status,
      acked,
      lag: machine.head - acked,
      lastSeenMs,
      httpUrl,
      voter,
      ...(left === true ? { left } : {}),
    };
    const queue = queues?.of(id) ?? null;
    return { ...member, ...(queue === null ? {} : { queue }), ...(differsAt === null ? {} : { differsAt }) };
  });
}

/**
 * With fewer voters than nodes the log survives fewer lost disks than its number of nodes promises,
 * or other ones: a minority of the nodes may be a majority of the voters. Null: as many voters as
 * nodes.
 */
function unsurvivableLosses({ voters, members }: MasterMachine): Unsurvivable | null {
  const nodes = nodeCount(members.length);
  if (voters.length >= nodes || voters.length === 0) return null;
  const disks = voters.length - majority(voters.length) + 1;
  const which = voters.length === disks ? voters.join(', ') : `${disks} of ${voters.join(', ')}`;
  const missing = members.filter((id) => !voters.includes(id));
  const detail =
    `${voters.length} of ${nodes} nodes have a vote. To lose the ${disks === 1 ? 'disk' : 'disks'} of ${which} would need an operator's force, and could ` +
    `lose acknowledged entries. ${missing.join(', ')} ${missing.length === 1 ? 'gets' : 'get'} a vote once up and caught up.`;
  return { disks, of: voters, detail };
}

function warningsOf({ identity, outline }: MasterMachine, settings: MasterSettings): readonly string[] {
  const warnings = settings.quorumAppend ? [] : [WITHOUT_QUORUM];
  const hasLog = outline.newestList().members !== null;
  const logId = identity === null ? '' : logIdOf(identity);
  if (hasLog && settings.logId === 'new')
    warnings.push(`LOG_ID=new, and the log has begun: set LOG_ID=${logId}, or a lost disk could begin another log`);
  if (hasLog && settings.logId === 'auto' && settings.openMembership)
    warnings.push(
      `OPEN_MEMBERSHIP=true with LOG_ID=auto: nobody knows all who hold this log; set LOG_ID=${logId}, or a lost disk could begin another one`,
    );
  return warnings;
}

function shownForeign({ id, log, lastSeq }: ReturnType<MasterMachine['foreign']>[number]) {
  return { id, log: log === null ? null : logIdOf(log), lastSeq };
}

function statusOf(phase: MasterMachine['phaseName'], readOnly: boolean, isWell: boolean): MasterHealth['status'] {
  if (phase !== 'reigning') return phase;
  if (readOnly) return 'read-only';
  return isWell ? 'ok' : 'degraded';
}

/**
 * What a master says of itself in /health and /members: positions, who is up, and what the log
 * would not survive now. It decides nothing; what it shows is the view's.
 */
import type { Readiness } from '#http/probe-routes';
import { logIdOf } from '#protocol/identity';
import { majority, nodeCount } from '#protocol/write-concern';
import type { Shortage } from '#storage/log-store';
import { tooLittleRoom } from '#storage/storage-fault';
import type { QueueWatch } from './broker/queue-watch';
import type { MasterSettings } from './config';
import type { MasterView } from './core/view';
import type { MasterHealth, MemberHealth, Unsurvivable } from './http/ports';

const WITHOUT_QUORUM =
  'QUORUM_APPEND=false: an acknowledged entry can be lost with a minority, and two masters can reign';

interface HealthParts {
  readonly view: MasterView;
  readonly settings: MasterSettings;
  readonly members: readonly MemberHealth[];
  /** Nodes of a release that knows no log ids. */
  readonly outdated: readonly string[];
  /** Of the disk; null while there is room. */
  readonly shortage: Shortage | null;
  /** What the broker's settings keep from working, as sentences. */
  readonly brokerWarnings: readonly string[];
  /** Why it is not known whether policies limit the log's queues; null: it is. */
  readonly policiesUnknown: string | null;
}

export function masterHealth(parts: HealthParts, now: number): MasterHealth {
  const { view, settings, members, outdated, shortage, brokerWarnings, policiesUnknown } = parts;
  const { head, commit, quorum, forcedEpoch, reigningElsewhere: holder, identity, young } = view;
  const phase = view.isBeginning(now) && !quorum.ok ? 'reigning' : view.phaseName;
  const readOnly = view.refusal(now) !== null || shortage !== null;
  const unsurvivable = view.phaseName === 'reigning' && settings.quorumAppend ? unsurvivableLosses(view) : null;
  const foreign = view.foreign(now);
  const warnings = [...warningsOf(view, settings), ...brokerWarnings];
  const isWell =
    members.every((member) => member.status === 'Healthy') &&
    unsurvivable === null &&
    foreign.length + outdated.length === 0 &&
    warnings.length === 0;
  const status = statusOf(phase, readOnly, isWell);
  const { votersUp, voters } = view;
  return {
    node: settings.nodeId,
    role: 'master',
    status,
    log: identity === null ? null : logIdOf(identity),
    ...(identity?.includes('/') === true ? { branch: identity } : {}),
    epoch: view.epoch.epoch,
    head,
    commit,
    quorum,
    readOnly,
    broker: { ...view.link, ...(policiesUnknown === null ? {} : { policies: `not known: ${policiesUnknown}` }) },
    voters: { names: voters, up: votersUp === null ? null : votersUp.length },
    counters: { ...view.counters },
    secondaries: members.map(({ voter: _, ...secondary }) => secondary),
    ...(shortage === null ? {} : { storage: shortage }),
    ...(young.length > 0 ? { young } : {}),
    ...(unsurvivable === null ? {} : { unsurvivable }),
    ...(foreign.length > 0 ? { foreign: foreign.map(shownForeign) } : {}),
    ...(outdated.length > 0 ? { outdated } : {}),
    ...(status === 'recovering' ? { waitingFor: view.waitingFor(now) } : {}),
    ...(status === 'standby' ? { holder: holder?.node ?? null, holderUrl: holder?.httpUrl ?? null } : {}),
    ...(forcedEpoch === null ? {} : { forcedEpoch }),
    ...(warnings.length > 0 ? { warning: warnings.join('; ') } : {}),
  };
}

export function masterReadiness(view: MasterView, shortage: Shortage | null, now: number): Readiness {
  if (shortage !== null) return { ready: false, reason: tooLittleRoom('no entry is taken', shortage).message };
  const refusal = view.refusal(now);
  return refusal === null ? { ready: true } : { ready: false, reason: refusal.detail };
}

export function memberHealth(view: MasterView, queues: QueueWatch | null, now: number): readonly MemberHealth[] {
  return view.members.map((id) => {
    const { status, acked, lastSeenMs, left, httpUrl, voter, differsAt } = view.member(now, id);
    const member = {
      id,
      status,
      acked,
      lag: view.head - acked,
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
function unsurvivableLosses({ voters, members }: MasterView): Unsurvivable | null {
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

function warningsOf({ identity, outline }: MasterView, settings: MasterSettings): readonly string[] {
  const warnings = settings.quorumAppend ? [] : [WITHOUT_QUORUM];
  const hasLog = outline.newestConfiguration().members !== null;
  const logId = identity === null ? '' : logIdOf(identity);
  if (hasLog && settings.logId === 'new')
    warnings.push(`LOG_ID=new, and the log has begun: set LOG_ID=${logId}, or a lost disk could begin another log`);
  if (hasLog && settings.logId === 'auto' && settings.openMembership)
    warnings.push(
      `OPEN_MEMBERSHIP=true with LOG_ID=auto: nobody knows all who hold this log; set LOG_ID=${logId}, or a lost disk could begin another one`,
    );
  return warnings;
}

function shownForeign({ id, log, lastSeq }: ReturnType<MasterView['foreign']>[number]) {
  return { id, log: log === null ? null : logIdOf(log), lastSeq };
}

function statusOf(phase: MasterView['phaseName'], readOnly: boolean, isWell: boolean): MasterHealth['status'] {
  if (phase !== 'reigning') return phase;
  if (readOnly) return 'read-only';
  return isWell ? 'ok' : 'degraded';
}

/**
 * Holds a master's parts and the few facts that several parts need. Only master.ts changes it;
 * view.ts reads it.
 *
 * The log, the link to the broker, the members and the heard logs outlive a reign. A candidacy or a
 * reign belongs to a phase.
 */
import { ReplicaLog } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { Voter } from '#protocol/record';
import { BrokerLink } from './broker-link';
import { noCounts } from './counters';
import type { Candidacy } from './election/candidacy';
import { ForceOrder } from './election/force-order';
import { Listening } from './election/listening';
import { LogDeclaration } from './election/log-declaration';
import { Announcer } from './leadership/announcer';
import { PendingIds } from './leadership/pending-ids';
import { Publisher } from './leadership/publisher';
import type { Reign } from './leadership/reign';
import { Membership } from './members/membership';
import type { MasterCoreSettings, MasterStart } from './settings';
import { SizeLimit } from './size-limit';

/** Raft's role of this node: follower without a candidacy, candidate, or leader. */
type Phase =
  | { readonly name: 'standby' }
  | { readonly name: 'claiming'; readonly candidacy: Candidacy }
  | { readonly name: 'reigning'; readonly reign: Reign };

/** The state of one master. */
export class MasterState {
  readonly self: Voter;
  readonly log: ReplicaLog;
  readonly broker = new BrokerLink();
  readonly declaration = new LogDeclaration();
  readonly listening: Listening;
  readonly force = new ForceOrder();
  readonly membership: Membership;
  readonly announcer: Announcer;
  readonly sizeLimit = new SizeLimit();
  readonly counters = noCounts();
  readonly publisher = new Publisher(this.broker, this.sizeLimit, this.counters);
  readonly pendingIds = new PendingIds();
  phase: Phase = { name: 'standby' };
  /** This node's vote and the other facts that are on disk beside its log. */
  promised: Promised;
  /** Node whose log is ahead and lacks entries that are committed here; null: none. */
  contradictedBy: string | null = null;
  isStopping = false;
  /** URL of this node's HTTP edge, as other nodes are told; '' until it listens. */
  httpUrl = '';

  constructor(
    readonly settings: MasterCoreSettings,
    { outline, promised, checksum }: MasterStart,
  ) {
    const { node, store, heartbeatIntervalMs, unhealthyAfterMs } = settings;
    this.self = { node, store };
    this.log = new ReplicaLog({ outline, checksum, commit: promised.commit });
    this.promised = promised;
    this.listening = new Listening(unhealthyAfterMs);
    this.membership = new Membership(settings, this.log.outline);
    const { self, log, membership: members } = this;
    this.announcer = new Announcer({ self, log, members, edge: this }, heartbeatIntervalMs);
  }

  get claiming(): Candidacy | null {
    return this.phase.name === 'claiming' ? this.phase.candidacy : null;
  }

  get reigning(): Reign | null {
    return this.phase.name === 'reigning' ? this.phase.reign : null;
  }
}

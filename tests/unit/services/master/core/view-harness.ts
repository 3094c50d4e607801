/** The state of a master for the tests of its view: each part is set as the machine would set it. */
import { Candidacy } from '#master/core/election/candidacy';
import type { MasterEffect } from '#master/core/events';
import { Reign } from '#master/core/leadership/reign';
import type { MasterCoreSettings } from '#master/core/settings';
import { MasterState } from '#master/core/state';
import { MasterView } from '#master/core/view';
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { controlRecord, entryRecord, type Voter } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import { beat, REIGN, SELF, SETTINGS } from './reign-harness';

/** Records before the first entry of the log: its opening and its configuration. */
const CONTROLS = 2;
/** Entries in the log, all of them durable. */
export const ENTRIES = 3;
/** The log, by its first reign. */
export const LOG = 'r1';
export const VOTERS: readonly Voter[] = [SELF, { node: 's1', store: 'disk' }, { node: 's2', store: 'disk' }];

function outlineOf(voters: readonly Voter[], removed: readonly string[]): LogOutline {
  const outline = new LogOutline();
  outline.append(controlRecord({ index: 1, epoch: 1, seq: 0 }, { control: 'epoch', reign: LOG, ...SELF }));
  const list = { control: 'members', voters, members: ['s1', 's2'], removed } as const;
  outline.append(controlRecord({ index: 2, epoch: 1, seq: 0 }, list));
  for (let seq = 1; seq <= ENTRIES; seq += 1)
    outline.append(entryRecord(CONTROLS + seq, { seq, epoch: 1, id: `id-${seq}`, ts: '', message: '' }));
  return outline;
}

interface Kept {
  readonly settings?: Partial<MasterCoreSettings>;
  /** Voters of the log; empty: there is no log. */
  readonly voters?: readonly Voter[];
  readonly removed?: readonly string[];
  readonly promised?: Partial<Promised>;
}

/** A master with a log of three members, and what it hears. */
export class ViewHarness {
  readonly state: MasterState;
  readonly view: MasterView;

  constructor({ settings = {}, voters = VOTERS, removed = [], promised = {} }: Kept = {}) {
    const outline = voters.length === 0 ? new LogOutline() : outlineOf(voters, removed);
    const start = { outline, promised: { ...NO_PROMISE, ...promised }, checksum: 0, seqOfId: () => null };
    this.state = new MasterState({ ...SETTINGS, ...settings }, start);
    this.view = new MasterView(this.state);
  }

  /** It has the lock, and hears everybody who is connected from now on. */
  up(now = 0): this {
    this.state.broker.becomeUp();
    this.state.listening.begin(now);
    return this;
  }

  /** It claims an epoch; the claim is durable. */
  claim(now = 0): this {
    const { settings, log, self } = this.state;
    const { secondaries, quorumAppend: needsVotes, heartbeatIntervalMs } = settings;
    const claim = { epoch: 2, reign: REIGN, log: this.view.identity };
    const options = { claim, self, secondaries, needsVotes, forced: false, heartbeatIntervalMs };
    this.state.phase = { name: 'claiming', candidacy: new Candidacy(log, options) };
    this.state.claiming?.recordPromised(now, []);
    return this;
  }

  /** It reigns, and waits for a majority to hold its first record. */
  reign(): this {
    const { log, self, publisher, membership, pendingIds: pending } = this.state;
    const parts = { log, window: publisher.window, positions: membership.table.tracker, pending };
    const reign = new Reign({ epoch: 2, reign: REIGN }, self, parts, { forced: false, withoutQuorum: false });
    this.state.phase = { name: 'reigning', reign };
    const out: MasterEffect[] = [];
    reign.begin(['s1', 's2'], out);
    this.store(out);
    return this;
  }

  /** What was given to the store is durable. */
  store(given: readonly MasterEffect[]): void {
    const group = given.findLast((effect) => effect.do === 'store');
    if (group === undefined) throw new Error('nothing was given to the store');
    this.state.reigning?.recordStored(this.state.log.recordStored(group.generation, 0), []);
  }

  /** These members are up, with the store that has the vote. */
  hear(...nodes: string[]): this {
    for (const node of nodes) {
      const { table } = this.state.membership;
      table.recordHeard(0, beat(node), []);
      table.recordPosition(beat(node), null, []);
    }
    return this;
  }

  /** These members hold everything. */
  ack(...nodes: string[]): this {
    const { lastIndex: index, lastSeq: applied } = this.view.outline;
    this.hear(...nodes);
    for (const node of nodes) this.state.membership.table.recordPosition(beat(node, { index, applied }), null, []);
    this.state.reigning?.advance([]);
    return this;
  }

  /** Nodes that hold another log. */
  meet(...nodes: string[]): this {
    for (const node of nodes) this.state.listening.foreigners.record(0, beat(node, { log: 'r9/r10', applied: 8 }));
    return this;
  }

  /** A node reports the end of its log by joining. */
  report(node: string, said: Partial<MessageOf<'join'>> = {}): this {
    const end = { lastIndex: 0, lastEpoch: 0, lastReign: '', lastLog: null, lastSeq: 0 };
    const join = { type: 'join', epoch: 1, reign: 'r1', log: LOG, node, store: 'disk', ...end } as const;
    this.state.listening.heard.record(0, { ...join, storeKind: 'disk', httpUrl: '', ...said });
    return this;
  }
}

/** The end of a log with so many entries more than this one. */
export function endAhead(more: number) {
  const entries = ENTRIES + more;
  return { lastIndex: CONTROLS + entries, lastEpoch: 1, lastReign: 'r1', lastLog: LOG, lastSeq: entries };
}

/** A master that would take an append. */
export function openMaster(kept: Kept = {}): ViewHarness {
  return new ViewHarness(kept).up().reign().ack('s1', 's2');
}

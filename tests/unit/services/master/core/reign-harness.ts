/** A reign for the tests: what a master would do around it. */
import type { Answer, MasterEffect } from '#master/core/events';
import { PendingIds } from '#master/core/leadership/pending-ids';
import { PublishWindow } from '#master/core/leadership/publish-window';
import { Reign } from '#master/core/leadership/reign';
import { Membership } from '#master/core/members/membership';
import type { MasterCoreSettings } from '#master/core/settings';
import { LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import type { LogRecord, Voter } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import type { WriteConcern } from '#protocol/write-concern';

export const SELF: Voter = { node: 'master', store: 'M' };
export const REIGN = 'abcdef0123456789';
const TS = '2026-01-01T00:00:00.000Z';

export const SETTINGS: MasterCoreSettings = {
  ...SELF,
  secondaries: ['s1', 's2'],
  openMembership: false,
  birth: 'auto',
  logId: null,
  inMemory: false,
  quorumAppend: true,
  heartbeatIntervalMs: 500,
  suspectAfterMs: 1_000,
  unhealthyAfterMs: 3_000,
  inFlightBytesMax: 1_000,
};

/** A heartbeat of a member with the store `disk`. */
export function beat(node: string, said: Partial<MessageOf<'heartbeat'>> = {}): MessageOf<'heartbeat'> {
  const position = { index: 0, applied: 0, buffered: 0, httpUrl: '' };
  return { type: 'heartbeat', epoch: 1, reign: 'r1', log: 'r1', node, store: 'disk', ...position, ...said };
}

/**
 * A reign with everything around it that a master would do: a store that is told when it is done,
 * members that ack.
 */
export class ReignHarness {
  readonly log = new ReplicaLog({ outline: new LogOutline(), checksum: 0, commit: 0 });
  readonly window = new PublishWindow();
  readonly membership: Membership;
  readonly pending = new PendingIds();
  readonly effects: MasterEffect[] = [];
  readonly answers = new Map<number, Answer>();
  readonly stored: LogRecord[] = [];
  reign: Reign;
  private requests = 0;

  constructor(
    readonly members: readonly string[],
    settings: Partial<MasterCoreSettings> = {},
  ) {
    this.membership = new Membership({ ...SETTINGS, secondaries: members, ...settings }, this.log.outline);
    this.reign = this.newReign(1);
  }

  get tracker() {
    return this.membership.table.tracker;
  }

  /** These nodes are up. */
  hear(...nodes: string[]): void {
    for (const node of nodes) this.membership.table.recordHeard(0, beat(node), []);
  }

  /** Takes the next step towards the list that is wanted; false when none is due. */
  changeList(): boolean {
    const list = this.reign.canChangeConfiguration ? this.membership.nextConfiguration(this.reign.commitIndex) : null;
    if (list === null) return false;
    this.do((out) => {
      this.reign.appendConfiguration(list, out);
      this.membership.followConfiguration();
      this.reign.recount();
      this.reign.release(out);
    });
    return true;
  }

  get list() {
    return this.membership.configuration;
  }

  /** A later reign on the same log. */
  succeed(epoch: number): void {
    this.tracker.reset();
    this.window.clear();
    this.reign = this.newReign(epoch);
  }

  do(act: (out: MasterEffect[]) => void): MasterEffect[] {
    const out: MasterEffect[] = [];
    act(out);
    this.effects.push(...out);
    for (const effect of out) {
      if (effect.do !== 'answer') continue;
      if (this.answers.has(effect.request)) throw new Error(`request ${effect.request} was answered twice`);
      this.answers.set(effect.request, effect.answer);
    }
    return out;
  }

  begin(): void {
    this.do((out) => this.reign.begin(this.members, out));
    this.store();
  }

  append(message: string, writeConcern: WriteConcern, id: string | null = null): number {
    this.requests += 1;
    const event = { type: 'append', request: this.requests, entries: [{ message, id }], ts: TS, writeConcern } as const;
    this.do((out) => this.reign.append(event, out));
    return this.requests;
  }

  await(seq: number, writeConcern: WriteConcern): number | null {
    this.requests += 1;
    const wait = { request: this.requests, first: seq, seq, id: 'x', writeConcern };
    let found = false;
    this.do((out) => {
      found = this.reign.await(wait, out);
    });
    return found ? this.requests : null;
  }

  /** The store is done with all that it was given. */
  store(): void {
    for (let group = this.effects.findLast((effect) => effect.do === 'store'); group !== undefined; ) {
      const records = this.log.recordStored(group.generation, 0);
      if (records.length === 0) return;
      this.stored.push(...records);
      this.pending.recordStored(records);
      const out = this.do((effects) => {
        this.log.flush(effects);
        this.reign.recordStored(records, effects);
      });
      group = out.findLast((effect) => effect.do === 'store');
    }
  }

  ack(node: string, index = this.log.outline.lastIndex, store = 'disk'): void {
    this.tracker.recordAck({ node, store, index, applied: this.log.outline.seqAt(index) });
    this.do((out) => this.reign.advance(out));
  }

  outcomeOf(request: number): string | null {
    const answer = this.answers.get(request);
    if (answer === undefined) return null;
    return 'problem' in answer ? answer.problem : answer.outcome;
  }

  published(): number[] {
    return this.window.take()?.records.map(({ index }) => index) ?? [];
  }

  private newReign(epoch: number): Reign {
    const { log, window, tracker: positions, pending } = this;
    const parts = { log, window, positions, pending };
    return new Reign({ epoch, reign: REIGN }, SELF, parts, { forced: false, withoutQuorum: false });
  }
}

/** Three nodes, all of them voters, everything held by all. */
export function reignOfThree(): ReignHarness {
  const harness = new ReignHarness(['s1', 's2']);
  harness.begin();
  harness.hear('s1', 's2');
  harness.ack('s1');
  harness.ack('s2');
  while (harness.list.voters.length < 3) {
    harness.changeList();
    harness.store();
    harness.ack('s1');
    harness.ack('s2');
  }
  harness.published();
  return harness;
}

/** A master that answers appends as a test says. */

import type { WaitingClient } from '#http/wait-signal';
import type {
  AppendOutcome,
  AppendRequest,
  BulkOutcome,
  BulkRequest,
  ConcernOutcome,
  ConcernRequest,
  LineListener,
  Section,
} from '#master/core/append';
import type { ForcePlan } from '#master/core/election/force';
import type { MemberChange } from '#master/core/events';
import type { MasterHealth, MasterPort, MemberHealth } from '#master/http/ports';
import { FakeLogReader } from './log-reader';

const NOTHING_TO_GIVE_UP: ForcePlan = {
  state: 'refused',
  problem: 'not-recovering',
  detail: 'There is nothing to give up.',
};

export class FakeMaster implements MasterPort {
  readonly reader = new FakeLogReader();
  readonly requests: AppendRequest[] = [];
  ready = true;
  /** Node id of the master itself, which is no member. */
  readonly node = 'master';
  /** What a force would come to. */
  readonly plans: { best: ForcePlan; new: ForcePlan } = { best: NOTHING_TO_GIVE_UP, new: NOTHING_TO_GIVE_UP };
  /** What was forced, in this order. */
  readonly forced: ('best' | 'new')[] = [];
  memberList: readonly MemberHealth[] = [];
  /** How an append ends; the default appends to the reader's log. */
  onAppend: (request: AppendRequest, client: WaitingClient) => Promise<AppendOutcome> = async (request) =>
    this.acknowledge(request);

  append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome> {
    this.requests.push(request);
    return this.onAppend(request, client);
  }

  /** The entry of a request at the next seq, held by the master alone. */
  acknowledge({ message, id }: AppendRequest, repeated = false): AppendOutcome {
    const seq = this.reader.head + 1;
    this.reader.moveHead(seq);
    const entry = { ...this.reader.entry(seq), id: id ?? `id-${seq}`, message };
    const bytes = Buffer.from(JSON.stringify(entry));
    return { outcome: 'acknowledged', repeated, seq, entry: bytes, w: 1, acks: ['master'] };
  }

  async appendAll({ entries }: BulkRequest): Promise<BulkOutcome> {
    const first = this.reader.head + 1;
    const last = this.reader.head + entries.length;
    this.reader.moveHead(last);
    return { outcome: 'acknowledged', repeated: false, first, last, count: entries.length, w: 1, acks: ['master'] };
  }

  /** Each entry ends as the same append alone. */
  appendEach(sections: readonly Section[], client: WaitingClient, lines: LineListener): void {
    for (const { at, entries, writeConcern, timeoutMs } of sections)
      for (const [line, entry] of entries.entries()) {
        const told = (outcome: AppendOutcome) => lines.told(at + line, 1, outcome);
        this.append({ ...entry, writeConcern, timeoutMs }, client).then(told, (error) => lines.failed(error));
      }
  }

  onAwaitHeld: (request: ConcernRequest) => ConcernOutcome = ({ seq }) => ({
    outcome: 'acknowledged',
    seq,
    w: 2,
    acks: ['master', 'secondary-1'],
  });

  async awaitConcern(request: ConcernRequest): Promise<ConcernOutcome | null> {
    return this.replication(request.seq) === null ? null : this.onAwaitHeld(request);
  }

  replication(seq: number) {
    if (seq < 1 || seq > this.reader.head) return null;
    return { acks: ['master', 'secondary-1'], committed: seq <= this.reader.commit };
  }

  health(): MasterHealth {
    const { head, commit, epoch } = this.reader.position();
    return {
      node: this.node,
      role: 'master',
      status: 'ok',
      log: 'aaaaaaaaaaaaaaaa',
      epoch,
      head,
      commit,
      quorum: { required: 1, alive: 1, ok: true },
      readOnly: false,
      broker: { connected: true, blocked: false },
      voters: { names: [this.node], up: 1 },
      counters: { resends: 0 },
      secondaries: [],
    };
  }

  members(): readonly MemberHealth[] {
    return this.memberList;
  }

  async removeMember(id: string): Promise<MemberChange> {
    if (id === this.node) return { outcome: 'own-node' };
    const known = this.memberList.some((member) => member.id === id);
    this.memberList = this.memberList.filter((member) => member.id !== id);
    return known ? { outcome: 'done', isNew: true } : { outcome: 'unknown' };
  }

  async admitMember(id: string): Promise<MemberChange> {
    if (id === this.node) return { outcome: 'own-node' };
    const isNew = !this.memberList.some((member) => member.id === id);
    const unheard = { status: 'Unknown', acked: 0, lag: 0, lastSeenMs: null, httpUrl: null, voter: false } as const;
    if (isNew) this.memberList = [...this.memberList, { id, ...unheard }];
    return { outcome: 'done', isNew };
  }

  forcePlan(begin: 'best' | 'new'): ForcePlan {
    return this.plans[begin];
  }

  async force(begin: 'best' | 'new'): Promise<ForcePlan> {
    this.forced.push(begin);
    return this.plans[begin];
  }

  readiness() {
    return this.ready ? ({ ready: true } as const) : ({ ready: false, reason: 'too few nodes are alive' } as const);
  }
}

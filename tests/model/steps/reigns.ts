/**
 * A master that reigns: who takes its records, what it appends, how it changes the list, and what
 * follows from who holds what.
 */
import { includesVoter, majorityIndex } from '#protocol/voters';
import { byName, commonLength, type Log, type ModelRecord } from '../log';
import { type Shape, STRANGE_ENTRY, type Step, step } from '../shape';
import { identityOf, node, type Reign, type State, withNode } from '../state';

/**
 * What a follower takes: everything, all but the last record, only the cut, or only the word which
 * log that is.
 */
const TAKES = ['all', 'but one', 'cut', 'the word'] as const;
type Taken = (typeof TAKES)[number];

export class Reigns {
  constructor(private readonly shape: Shape) {}

  /** A reign begins with this log. */
  begin(state: State, at: number, log: Log, reign: Omit<Reign, 'commit'>): State {
    const { commit } = node(state, at);
    const next = withNode({ ...state, brokerKnows: true }, at, {
      log,
      seen: log.identity,
      promise: reign.epoch,
      promisedReign: reign.id,
      promisedLog: null,
      reign: { ...reign, commit },
    });
    return this.advance(next, at);
  }

  addSteps(state: State, at: number, steps: Step[]): void {
    const { setup, names, secondaryNumbers, choices } = this.shape;
    const name = names[at];
    const own = node(state, at);
    const { reign } = own;
    if (reign === null) return;
    if (setup.most.brokerUntold && !state.brokerKnows)
      steps.push(step('the broker is told of the log', { ...state, brokerKnows: true }));
    for (const to of secondaryNumbers) {
      for (const how of TAKES) {
        const synced = this.sync(state, at, to, how);
        if (synced !== null) steps.push(step(`${names[to]} takes ${how} of ${name}`, synced));
      }
    }
    const appended = state.entries < setup.most.entries ? this.appendEntry(state, at) : null;
    if (appended !== null) steps.push(step(`${name} appends x${appended.entries}`, appended));
    for (const alive of choices) {
      const changed = this.changeList(state, at, alive);
      if (changed !== null)
        steps.push(step(`${name} changes the list to ${listWords(node(changed, at).log)}`, changed));
    }
    const outside = (what: string, next: State) => steps.push({ what, state: next, fromOutside: true });
    outside(`${name} stops`, withNode(state, at, { reign: null, commit: reign.commit }));
    if (reign.commit > own.commit) outside(`${name} crashes`, withNode(state, at, { reign: null }));
  }

  sync(state: State, at: number, to: number, how: Taken): State | null {
    const { rules, setup } = this.shape;
    const master = node(state, at);
    const follower = node(state, to);
    const { reign, log } = master;
    if (reign === null) return null;
    // Nobody is led before the broker knows of the log.
    if (setup.most.brokerUntold && !state.brokerKnows) return null;
    if (!rules.mayFollow(identityOf(follower), identityOf(master))) return null;
    if (!this.shape.isAllowed(log) || rules.isBound(follower, identityOf(master), reign)) return null;
    const common = rules.cutTo(follower, commonLength(follower.log, log));
    if (common === null) return null;
    const length = lengthOf(how, follower.log, log, common);
    if (length === null || (how === 'the word' && identityOf(follower) === identityOf(master))) return null;
    const commit = Math.max(Math.min(follower.commit, length), Math.min(reign.commit, length));
    if (follower.log === log && follower.commit === commit && follower.promise === reign.epoch) return null;
    const next = withNode({ ...state, brokerKnows: true }, to, {
      log: how === 'the word' ? follower.log : log.prefix(length),
      seen: identityOf(master),
      commit: how === 'the word' ? follower.commit : commit,
      promise: reign.epoch,
      promisedReign: reign.id,
      promisedLog: null,
    });
    return this.advance(next, at);
  }

  appendEntry(state: State, at: number): State | null {
    const { reign, log } = node(state, at);
    if (reign === null || reign.commit < reign.opening) return null;
    const entry = state.entries + 1;
    const longer = log.append({ epoch: reign.epoch, reign: reign.id, entry, list: null });
    return this.advance(withNode({ ...state, entries: entry }, at, { log: longer }), at);
  }

  changeList(state: State, at: number, alive: readonly number[]): State | null {
    const { reign, log } = node(state, at);
    if (reign === null || log.list === null) return null;
    if (reign.commit < reign.opening || log.listIndex > reign.commit) return null;
    const next = this.shape.rules.nextList(log.list, {
      self: this.shape.voter(state, at),
      members: this.shape.members,
      caughtUp: (name) => {
        const each = alive.find((number) => this.shape.names[number] === name);
        return each !== undefined && this.held(state, at, each) >= reign.commit ? node(state, each).store : null;
      },
    });
    if (next === null) return null;
    const record: ModelRecord = {
      epoch: reign.epoch,
      reign: reign.id,
      entry: 0,
      list: { ...next, voters: [...next.voters].sort(byName) },
    };
    return this.advance(withNode(state, at, { log: log.append(record) }), at);
  }

  /** How much of the master's log a node holds, as an ack of this reign says it. */
  private held(state: State, at: number, of: number): number {
    const master = node(state, at);
    const other = node(state, of);
    if (!this.shape.rules.counts(other, master.log, master.reign?.id ?? '')) return 0;
    return other.promisedReign === master.reign?.id
      ? commonLength(other.log, master.log)
      : Math.min(other.log.length, master.log.length);
  }

  /** Commit moves as far as the voters hold the log; whoever waits for w = m is answered. */
  advance(state: State, at: number): State {
    const master = node(state, at);
    const { reign, log } = master;
    if (reign === null || log.list === null) return state;
    const heldBy = (number: number) => (number === at ? log.length : this.held(state, at, number));
    const others = this.shape.secondaryNumbers;
    const voters = [at, ...others].map((number) => ({ voter: this.shape.voter(state, number), held: heldBy(number) }));
    const index = majorityIndex(log.list.voters, (voter) => {
      const holder = voters.find((each) => this.shape.rules.sameVoter(voter, each.voter));
      return holder?.held ?? 0;
    });
    let next = state;
    let commit = reign.commit;
    if (index > commit && log.prefix(index).lastEpoch === reign.epoch) {
      commit = index;
      next = withNode(next, at, { reign: { ...reign, commit } });
    }
    let acked = next.acked;
    for (let length = 1; length <= commit; length += 1) {
      const place = log.prefix(length);
      if (place.record?.entry === 0 || place.record?.entry === STRANGE_ENTRY || acked.includes(place)) continue;
      const holders = 1 + others.filter((number) => heldBy(number) >= length).length;
      if (holders >= this.shape.majority) acked = [...acked, place];
    }
    if (acked !== next.acked) next = { ...next, acked };
    return commit >= reign.opening ? this.settle(next, at, commit) : next;
  }

  /** Notes which nodes have made good what they lost, and whether all have been voters. */
  private settle(state: State, at: number, commit: number): State {
    const { log } = node(state, at);
    let { lost, grownUp } = state;
    if (log.listIndex <= commit && log.list !== null) {
      for (const number of [at, ...this.shape.secondaryNumbers]) {
        if ((lost & (1 << number)) === 0) continue;
        const { log: own } = node(state, number);
        const isBack = own.length >= log.listIndex && own.length >= commit && log.contains(own);
        const holdsAll = state.acked.every((each) => own.contains(each));
        if (isBack && holdsAll && includesVoter(log.list.voters, this.shape.voter(state, number)))
          lost &= ~(1 << number);
      }
    }
    const logId = log.path[1]?.identity ?? '';
    const { everVoters } = log.prefix(commit);
    if (!grownUp.includes(logId) && this.shape.members.every((name) => everVoters.has(name)))
      grownUp = [...grownUp, logId];
    return lost === state.lost && grownUp === state.grownUp ? state : { ...state, lost, grownUp };
  }
}

/** How long the follower's log is then; null: it does not come to that. */
function lengthOf(how: Taken, own: Log, master: Log, common: number): number | null {
  switch (how) {
    case 'all':
      return master.length;
    case 'but one':
      return master.length - 1 <= common || master.length - 1 === own.length ? null : master.length - 1;
    case 'cut':
      return own.length <= common ? null : common;
    case 'the word':
      return own.length;
  }
}

function listWords(log: Log): string {
  return `{${log.list?.voters.map(({ node: name }) => name).join(' ')}}`;
}

/**
 * What can happen at the border of a log's life, one step at a time: `successors` lists every next state, each with words that say what happened.
 *
 * Every action names who takes part. Commit and acknowledgements follow at once from what the nodes hold; that a master has not heard an ack yet is the
 * state in which the node has not taken the record.
 */
import type { Answer, BirthMode } from '../../services/master/core/birth';
import type { MembersControl, Voter } from '../../shared/protocol/record';
import { includesVoter, isMajority, majorityIndex } from '../../shared/protocol/voters';
import { majority, nodeCount } from '../../shared/protocol/write-concern';
import { accidents, STRANGE_ENTRY } from './accidents';
import { byName, commonLength, type Log, type ModelRecord } from './log';
import type { Rules } from './rules';
import type { Setup } from './setups';
import { blankFolder, FLAGS, identityOf, type ModelNode, type Reign, type State, withNode } from './state';

export interface Step {
  readonly what: string;
  readonly state: State;
  /** The action is not one of the log's: a disk was lost or exchanged, or a process stopped. */
  readonly fromOutside: boolean;
}

const NO_VOTER = '?';

export class Cluster {
  readonly names: readonly string[];
  readonly masters: number;
  readonly members: readonly string[];
  readonly nodes: number;
  readonly majority: number;
  /** Every choice of secondaries, as lists of node numbers. */
  private readonly choices: readonly (readonly number[])[];
  readonly secondaryNumbers: readonly number[];

  constructor(
    readonly setup: Setup,
    readonly rules: Rules,
  ) {
    const masters = setup.standby ? ['M', 'B'] : ['M'];
    this.masters = masters.length;
    this.members = Array.from({ length: setup.secondaries }, (_, at) => `S${at + 1}`);
    this.names = [...masters, ...this.members];
    this.nodes = nodeCount(this.members.length);
    this.majority = majority(this.nodes);
    this.secondaryNumbers = this.members.map((_, at) => this.masters + at);
    this.choices = subsets(this.secondaryNumbers);
  }

  start(): State {
    return {
      nodes: this.names.map(() => ({ ...blankFolder('0'), life: 0, reign: null })),
      brokerKnows: false,
      acked: [],
      entries: 0,
      flags: 0,
      lost: 0,
      losses: 0,
      grownUp: [],
      shelf: null,
    };
  }

  successors(state: State): Step[] {
    const steps: Step[] = [];
    for (let at = 0; at < this.masters; at += 1) {
      if (node(state, at).reign === null) this.stepsToReign(state, at, steps);
      else this.stepsOfReign(state, at, steps);
    }
    return [...steps, ...accidents(this, state)];
  }

  // A master without a reign

  private stepsToReign(state: State, at: number, steps: Step[]): void {
    const intending = this.intend(state, at);
    if (intending !== null) steps.push(step(`${this.names[at]} intends to begin a log`, intending));
    for (const heard of this.choices) {
      const words = `hearing ${this.namesOf(heard)}`;
      const name = this.names[at];
      for (const [torn, begun] of [
        [false, this.begin(state, at, heard, false)],
        [true, this.begin(state, at, heard, true)],
      ] as const) {
        if (begun !== null)
          steps.push(step(`${name} begins a log ${words}${torn ? ', torn behind record 1' : ''}`, begun));
      }
      for (const from of heard) {
        for (const part of [false, true]) {
          const adopted = this.adopt(state, at, from, heard, part);
          if (adopted !== null)
            steps.push(
              step(`${name} takes ${part ? 'a part of ' : ''}the log of ${this.names[from]} ${words}`, adopted),
            );
        }
      }
      const won = this.claim(state, at, heard);
      if (won !== null) steps.push(step(`${name} wins ${words}`, won));
      if (this.setup.most.forces) {
        const forced = this.force(state, at, heard);
        if (forced !== null) steps.push(step(`${name} is forced ${words}`, forced));
      }
    }
  }

  /** Durable before anything is declared. */
  intend(state: State, at: number): State | null {
    const { log, seen, intends } = node(state, at);
    const may = this.modeOf(at) === 'auto' && log.list === null && seen === null && !intends && !state.brokerKnows;
    return may ? withNode(state, at, { intends: true }) : null;
  }

  begin(state: State, at: number, heard: readonly number[], torn: boolean, isForced = false): State | null {
    const { log, intends, life, promise } = node(state, at);
    const mode = this.modeOf(at);
    if (log.list !== null || (torn && log.length > 0)) return null;
    if (mode === 'auto' && !state.brokerKnows && !intends && !this.setup.inMemory && !isForced) return null;
    const answered = new Map<string, Answer>();
    for (const each of heard) {
      const holdsLog = identityOf(node(state, each)) !== null;
      answered.set(this.names[each] ?? '', { holdsLog, inMemory: this.setup.inMemory });
    }
    const may = this.rules.mayBegin({
      mode,
      isBlank: true,
      inMemory: this.setup.inMemory,
      freshBroker: !state.brokerKnows || intends,
      secondaries: this.members,
      answered,
      someoneHoldsALog: [...answered.values()].some(({ holdsLog }) => holdsLog),
      hasListened: true,
      hasSettled: true,
      isForced,
      needsVotes: true,
    });
    if (!may) return null;
    const epoch = Math.max(promise, log.lastEpoch) + 1;
    if (epoch > this.setup.most.epochs) return null;
    const id = this.reignId(epoch, at, life);
    const opened = log.append({ epoch, reign: id, entry: 0, list: null });
    const next = { ...state, brokerKnows: true };
    if (torn) return withNode(next, at, { log: opened, seen: opened.identity, promise: epoch, promisedReign: id });
    const list = this.list([this.voter(state, at)]);
    const begun = opened.append({ epoch, reign: id, entry: 0, list });
    const flags = mode === 'new' || isForced ? state.flags | FLAGS.newAsked : state.flags;
    return this.reigns({ ...next, flags }, at, begun, { epoch, id, opening: opened.length });
  }

  adopt(state: State, at: number, from: number, heard: readonly number[], part: boolean): State | null {
    const own = node(state, at);
    const source = node(state, from);
    if (source.log.list === null || source.log === own.log || !this.isAllowed(source.log)) return null;
    if (own.log.list !== null && !isAhead(source.log, own.log)) return null;
    if (heard.some((each) => sameLogAhead(node(state, each).log, source.log))) return null;
    const isHeard = (voter: Voter) => heard.some((each) => this.rules.sameVoter(voter, this.voter(state, each)));
    if (!this.rules.mayAdopt(own, source, isHeard, this.isNamed(source.log))) return null;
    return this.take(state, at, source.log, part);
  }

  private take(state: State, at: number, log: Log, part: boolean): State | null {
    const own = node(state, at);
    const common = this.rules.cutTo(own, commonLength(own.log, log));
    if (common === null) return null;
    const length = part ? Math.max(common, 2) : log.length;
    if (part && length >= log.length) return null;
    return withNode(state, at, { log: log.prefix(length), intends: false });
  }

  claim(state: State, at: number, heard: readonly number[]): State | null {
    const own = node(state, at);
    const { log } = own;
    if (log.list === null || !this.isAllowed(log)) return null;
    const identity = identityOf(own);
    let highest = Math.max(own.promise, log.lastEpoch);
    for (const each of heard) {
      const voter = node(state, each);
      // A foreign node changes nothing: the same choice without it is another one.
      if (this.rules.isForeign(identityOf(voter), identity)) return null;
      highest = Math.max(highest, voter.promise);
    }
    const epoch = highest + 1;
    if (epoch > this.setup.most.epochs) return null;
    const granted: Voter[] = [this.voter(state, at)];
    for (const each of heard) {
      if (this.rules.grants(node(state, each), { log, identity })) granted.push(this.voter(state, each));
    }
    if (!isMajority(log.list.voters, (voter) => granted.some((each) => this.rules.sameVoter(voter, each)))) return null;
    const id = this.reignId(epoch, at, own.life);
    let next = state;
    for (const each of heard) next = withNode(next, each, { promise: epoch, promisedReign: id });
    const opened = log.append({ epoch, reign: id, entry: 0, list: null });
    return this.reigns(next, at, opened, { epoch, id, opening: opened.length });
  }

  force(state: State, at: number, heard: readonly number[]): State | null {
    const own = node(state, at);
    let best = own.log;
    let highest = Math.max(own.promise, own.log.lastEpoch);
    for (const each of heard) {
      const other = node(state, each);
      if (this.rules.isForeign(identityOf(other), identityOf(own))) return null;
      highest = Math.max(highest, other.promise, other.log.lastEpoch);
      if (this.rules.mayTakeForForce(own, other) && isAhead(other.log, best)) best = other.log;
    }
    if (!this.isAllowed(best) || !this.rules.mayForce(best) || highest >= this.setup.most.epochs) return null;
    const taken = best === own.log ? state : this.take(state, at, best, false);
    if (taken === null) return null;
    const epoch = highest + 1;
    const id = this.reignId(epoch, at, own.life);
    let next: State = { ...taken, flags: taken.flags | FLAGS.forced };
    for (const each of heard) next = withNode(next, each, { promise: epoch, promisedReign: id });
    const opened = best.append({ epoch, reign: id, entry: 0, list: null });
    const list: MembersControl = { ...this.list([this.voter(state, at)]), forced: true };
    return this.reigns(next, at, opened.append({ epoch, reign: id, entry: 0, list }), {
      epoch,
      id,
      opening: opened.length,
    });
  }

  private reigns(state: State, at: number, log: Log, reign: Omit<Reign, 'commit'>): State {
    const { commit } = node(state, at);
    const next = withNode({ ...state, brokerKnows: true }, at, {
      log,
      seen: log.identity,
      promise: reign.epoch,
      promisedReign: reign.id,
      intends: false,
      reign: { ...reign, commit },
    });
    return this.advance(next, at);
  }

  // A master that reigns

  private stepsOfReign(state: State, at: number, steps: Step[]): void {
    const name = this.names[at];
    const own = node(state, at);
    const reign = own.reign;
    if (reign === null) return;
    for (const to of this.secondaryNumbers) {
      for (const how of ['all', 'but one', 'cut'] as const) {
        const synced = this.sync(state, at, to, how);
        if (synced !== null) steps.push(step(`${this.names[to]} takes ${how} of ${name}`, synced));
      }
    }
    const appended = state.entries < this.setup.most.entries ? this.appendEntry(state, at) : null;
    if (appended !== null) steps.push(step(`${name} appends x${appended.entries}`, appended));
    for (const alive of this.choices) {
      const changed = this.changeList(state, at, alive);
      if (changed !== null)
        steps.push(step(`${name} changes the list to ${listWords(node(changed, at).log)}`, changed));
    }
    steps.push({
      what: `${name} stops`,
      state: withNode(state, at, { reign: null, commit: reign.commit }),
      fromOutside: true,
    });
    if (reign.commit > own.commit)
      steps.push({ what: `${name} crashes`, state: withNode(state, at, { reign: null }), fromOutside: true });
  }

  sync(state: State, at: number, to: number, how: 'all' | 'but one' | 'cut'): State | null {
    const master = node(state, at);
    const follower = node(state, to);
    const { reign, log } = master;
    if (reign === null) return null;
    if (!this.rules.mayFollow(identityOf(follower), identityOf(master))) return null;
    if (!this.isAllowed(log)) return null;
    if (follower.promise > reign.epoch || (follower.promise === reign.epoch && follower.promisedReign !== reign.id))
      return null;
    const parts = commonLength(follower.log, log);
    const common = this.rules.cutTo(follower, parts);
    if (common === null) return null;
    const length = how === 'all' ? log.length : how === 'cut' ? common : log.length - 1;
    if (how === 'cut' && follower.log.length <= common) return null;
    if (how === 'but one' && (length <= common || log.length - 1 === follower.log.length)) return null;
    const commit = Math.max(Math.min(follower.commit, length), Math.min(reign.commit, length));
    if (follower.log === log && follower.commit === commit && follower.promise === reign.epoch) return null;
    const next = withNode({ ...state, brokerKnows: true }, to, {
      log: log.prefix(length),
      seen: identityOf(master),
      commit,
      promise: reign.epoch,
      promisedReign: reign.id,
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
    const next = this.rules.nextList(log.list, {
      self: this.voter(state, at),
      members: this.members,
      caughtUp: (name) => {
        const each = alive.find((number) => this.names[number] === name);
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
    if (!this.rules.counts(other, master.log, master.reign?.id ?? '')) return 0;
    return other.promisedReign === master.reign?.id
      ? commonLength(other.log, master.log)
      : Math.min(other.log.length, master.log.length);
  }

  /** Commit moves as far as the voters hold the log; whoever waits for w = m is answered. */
  private advance(state: State, at: number): State {
    const master = node(state, at);
    const { reign, log } = master;
    if (reign === null || log.list === null) return state;
    const heldBy = (number: number) => (number === at ? log.length : this.held(state, at, number));
    const others = this.secondaryNumbers;
    const voters = [at, ...others].map((number) => ({ voter: this.voter(state, number), held: heldBy(number) }));
    const index = majorityIndex(log.list.voters, (voter) => {
      const holder = voters.find((each) => this.rules.sameVoter(voter, each.voter));
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
      if (holders >= this.majority) acked = [...acked, place];
    }
    if (acked !== next.acked) next = { ...next, acked };
    return commit >= reign.opening ? this.settle(next, at, commit) : next;
  }

  /** Notes which nodes have made good what they lost, and whether all have been voters. */
  private settle(state: State, at: number, commit: number): State {
    const { log } = node(state, at);
    let { lost, grownUp } = state;
    if (log.listIndex <= commit && log.list !== null) {
      for (const number of [at, ...this.secondaryNumbers]) {
        if ((lost & (1 << number)) === 0) continue;
        const { log: own } = node(state, number);
        const isBack = own.length >= log.listIndex && own.length >= commit && log.contains(own);
        const holdsAll = state.acked.every((each) => own.contains(each));
        if (isBack && holdsAll && includesVoter(log.list.voters, this.voter(state, number))) lost &= ~(1 << number);
      }
    }
    const logId = log.path[1]?.identity ?? '';
    const { everVoters } = log.prefix(commit);
    if (!grownUp.includes(logId) && this.members.every((name) => everVoters.has(name))) grownUp = [...grownUp, logId];
    return lost === state.lost && grownUp === state.grownUp ? state : { ...state, lost, grownUp };
  }

  voter(state: State, at: number): Voter {
    return { node: this.names[at] ?? NO_VOTER, store: node(state, at).store };
  }

  private list(voters: readonly Voter[]): MembersControl {
    return { control: 'members', members: this.members, voters };
  }

  private modeOf(at: number): BirthMode {
    return at === 0 ? this.setup.mode : 'never';
  }

  /** With LOG_ID set, the log that was begun first is the one. */
  private isNamed(log: Log): boolean {
    return this.setup.logIdNamed && log.path[1]?.identity === this.reignId(1, 0, 0);
  }

  /** A node with LOG_ID set starts with no other log, and takes no other. */
  private isAllowed(log: Log): boolean {
    return !this.setup.logIdNamed || log.length === 0 || this.isNamed(log);
  }

  private reignId(epoch: number, at: number, life: number): string {
    return `${epoch}${this.names[at]}${life}`;
  }

  private namesOf(numbers: readonly number[]): string {
    return numbers.length === 0 ? 'nobody' : numbers.map((each) => this.names[each]).join(' ');
  }
}

export function node(state: State, at: number): ModelNode {
  const found = state.nodes[at];
  if (found === undefined) throw new Error(`there is no node ${at}`);
  return found;
}

function step(what: string, state: State): Step {
  return { what, state, fromOutside: false };
}

export function isAhead(a: Log, b: Log): boolean {
  return a.lastEpoch > b.lastEpoch || (a.lastEpoch === b.lastEpoch && a.length > b.length);
}

function sameLogAhead(a: Log, b: Log): boolean {
  return a.path[1] === b.path[1] && isAhead(a, b);
}

function listWords(log: Log): string {
  return `{${log.list?.voters.map(({ node: name }) => name).join(' ')}}`;
}

function subsets(of: readonly number[]): number[][] {
  const [first, ...rest] = of;
  if (first === undefined) return [[]];
  return subsets(rest).flatMap((set) => [set, [first, ...set]]);
}

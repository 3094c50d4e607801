/**
 * A master without a reign: it begins a log, takes one that it hears of, wins the votes, is forced,
 * or finds that its store was set back.
 */
import type { Answer } from '#master/core/election/birth';
import type { HeardLogs } from '#master/core/election/heard-logs';
import { extendsLog, type Identity, isPrefixOf, longerOf } from '#protocol/identity';
import { isAtLeastAsUpToDate } from '#protocol/log/outline';
import type { MembersControl, Voter } from '#protocol/record';
import { isMajority } from '#protocol/voters';
import { commonLength, type Log, type ModelRecord } from '../log';
import { endOf, heardLogs, isAhead } from '../rules';
import { type Shape, type Step, step } from '../shape';
import { FLAGS, identityOf, type ModelNode, node, type State, withNode } from '../state';
import type { Reigns } from './reigns';

/**
 * How a first write ends: durable, torn behind its first record, or durable and the broker does not
 * hear of it.
 */
type FirstWrite = 'whole' | 'torn' | 'untold';

/**
 * How much of a log is taken: everything, the first records of a new reign or a branch left out, or
 * record 1 alone.
 */
type Piece = 'all' | 'a part' | 'record 1';

const FIRST_WRITES: readonly (readonly [FirstWrite, string])[] = [
  ['whole', ''],
  ['torn', ', torn behind record 1'],
  ['untold', ', and the broker is not told yet'],
];
const PIECES: readonly Piece[] = ['all', 'a part', 'record 1'];

export class Candidates {
  constructor(
    private readonly shape: Shape,
    private readonly reigns: Reigns,
  ) {}

  addSteps(state: State, at: number, steps: Step[]): void {
    const { names, choices, setup } = this.shape;
    const name = names[at];
    const add = (what: string, next: State | null) => {
      if (next !== null) steps.push(step(`${name} ${what}`, next));
    };
    for (let other = 0; other < this.shape.masters; other += 1)
      add(`hears that ${names[other]} reigns`, this.hear(state, at, other));
    for (const heard of choices) {
      const words = `hearing ${this.shape.namesOf(heard)}`;
      for (const [how, ending] of FIRST_WRITES)
        add(`begins a log ${words}${ending}`, this.begin(state, at, heard, how));
      for (const from of heard) {
        for (const piece of PIECES) {
          const what = piece === 'all' ? 'the log' : `${piece} of the log`;
          add(`takes ${what} of ${names[from]} ${words}`, this.adopt(state, at, from, heard, piece));
        }
      }
      const won = this.claim(state, at, heard);
      add(won !== null && node(won, at).reign === null ? `becomes another store ${words}` : `wins ${words}`, won);
      if (!setup.most.forces) continue;
      const forced = this.force(state, at, heard, false);
      add(`is forced ${words}`, forced);
      if (forced !== null) add(`is forced ${words}, torn behind the epoch record`, this.force(state, at, heard, true));
    }
  }

  /** Another master announces a later log than this one knows: a blank node knows of none. */
  hear(state: State, at: number, other: number): State | null {
    const announced = node(state, other);
    if (other === at || announced.reign === null || !this.shape.isAllowed(announced.log)) return null;
    if (!extendsLog(identityOf(announced) ?? '', identityOf(node(state, at)))) return null;
    return withNode(state, at, { seen: identityOf(announced), promisedLog: null });
  }

  begin(state: State, at: number, heard: readonly number[], how: FirstWrite): State | null {
    const { rules, setup, members, names } = this.shape;
    const own = node(state, at);
    const { log, life, promise } = own;
    const self = this.shape.voter(state, at);
    if (log.list !== null || (how === 'torn' && log.length > 0) || (how === 'untold' && !setup.most.brokerUntold))
      return null;
    const answered = new Map<string, Answer>();
    for (const each of heard) {
      const holdsLog = identityOf(node(state, each)) !== null;
      answered.set(names[each] ?? '', { holdsLog, inMemory: setup.inMemory });
    }
    const identity = identityOf(own);
    const mode = this.shape.modeOf(at);
    if (mode === 'never') return null;
    const may = rules.mayBegin({
      mode,
      isBlank: identity === null || (isWhole(own) && rules.isTornBirth(log.founder, self)),
      inMemory: setup.inMemory,
      freshBroker: !state.brokerKnows,
      secondaries: members,
      answered,
      someoneHoldsALog: this.heard(state, heard).holders(0, identity).length > 0,
      hasListened: true,
      hasSettled: true,
      isForced: false,
      needsVotes: true,
    });
    const epoch = Math.max(promise, log.lastEpoch) + 1;
    if (!may || epoch > setup.most.epochs) return null;
    const id = this.shape.reignId(epoch, at, life);
    const opened = log.append(opening(epoch, id, self));
    if (how === 'torn') return withNode(state, at, { log: opened, promise: epoch, promisedReign: id });
    const begun = opened.append({ epoch, reign: id, entry: 0, list: this.shape.firstList(self) });
    const asked = mode === 'new' ? FLAGS.newAsked : 0;
    const untold = how === 'untold' ? FLAGS.brokerUntold : 0;
    const flags = state.flags | asked | untold;
    const next = this.reigns.begin({ ...state, flags }, at, begun, { epoch, id, opening: opened.length });
    return how === 'untold' ? { ...next, brokerKnows: state.brokerKnows } : next;
  }

  adopt(state: State, at: number, from: number, heard: readonly number[], piece: Piece): State | null {
    const own = node(state, at);
    const source = node(state, from);
    const { log } = source;
    if (log.length === 0 || log === own.log || !this.shape.isAllowed(log) || !isAhead(log, own.log)) return null;
    if (heard.some((each) => node(state, each).log.path[1] === log.path[1] && isAhead(node(state, each).log, log)))
      return null;
    const adoptable = this.heard(state, heard).adoptable(0, identityOf(own), this.shape.voter(state, at));
    const isNamed = this.shape.setup.logIdNamed && log.identity === this.shape.reignId(1, 0, 0);
    if (!this.shape.rules.mayAdopt(own, source, adoptable, isNamed)) return null;
    return this.take(state, at, log, piece);
  }

  /** Wins, or becomes another store where it can not be as far behind as it is. */
  claim(state: State, at: number, heard: readonly number[]): State | null {
    const { rules, setup } = this.shape;
    const own = node(state, at);
    const { log } = own;
    if (log.list === null || !this.shape.isAllowed(log) || !isWhole(own)) return null;
    const identity = identityOf(own);
    // A foreign node changes nothing: the same choice without it is another one.
    if (heard.some((each) => rules.isForeign(identityOf(node(state, each)), identity))) return null;
    const epoch = this.highest(state, at, heard, identity) + 1;
    if (epoch > setup.most.epochs) return null;
    const granted: Voter[] = [this.shape.voter(state, at)];
    for (const each of heard)
      if (rules.grants(node(state, each), { log, identity })) granted.push(this.shape.voter(state, each));
    if (!isMajority(log.list.voters, (voter) => granted.some((each) => rules.sameVoter(voter, each)))) return null;
    if (rules.isRolledBack(log, () => this.heard(state, heard).best(0, identity)))
      return withNode(state, at, { store: `${own.life + 1}`, life: own.life + 1 });
    const id = this.shape.reignId(epoch, at, own.life);
    const opened = log.append(opening(epoch, id, this.shape.voter(state, at)));
    const next = promiseOf(state, heard, { epoch, id, identity });
    return this.reigns.begin(next, at, opened, { epoch, id, opening: opened.length });
  }

  /** Takes the best log that is heard, and begins a branch of it. */
  force(state: State, at: number, heard: readonly number[], torn: boolean): State | null {
    const { rules, setup } = this.shape;
    const own = node(state, at);
    const identity = identityOf(own);
    if (heard.some((each) => rules.isForeign(identityOf(node(state, each)), identity))) return null;
    const logs = this.heard(state, heard);
    if (logs.isAmbiguous(0, identity)) return null;
    const best = logs.best(0, identity);
    const source = heard.find((each) => this.shape.names[each] === best?.node);
    const isBetter = best !== null && isAtLeastAsUpToDate(best.end, endOf(own.log));
    const takes = isBetter && !isAtLeastAsUpToDate(endOf(own.log), best.end) && source !== undefined;
    // Of a log that a node knows by name alone nothing can be fetched.
    if (takes ? best.log !== best.end.log : identity !== own.log.identity) return null;
    const log = takes ? node(state, source).log : own.log;
    if (!this.shape.isAllowed(log) || !rules.mayForce(log)) return null;
    const taken = takes ? this.take(state, at, log, 'all') : state;
    if (taken === null) return null;
    const written = heard.map((each) => node(state, each).log.lastEpoch);
    const epoch = Math.max(this.highest(taken, at, heard, log.identity), ...written) + 1;
    if (epoch > setup.most.epochs) return null;
    const id = this.shape.reignId(epoch, at, own.life);
    const self = this.shape.voter(state, at);
    const opened = log.append({ ...opening(epoch, id, self), forced: true });
    const flags = taken.flags | FLAGS.forced;
    const next = promiseOf({ ...taken, flags }, heard, { epoch, id, identity: log.identity });
    if (torn) return withNode(next, at, { log: opened, promise: epoch, promisedReign: id });
    const list: MembersControl = { ...this.shape.firstList(self), forced: true };
    const branch = opened.append({ epoch, reign: id, entry: 0, list });
    return this.reigns.begin(next, at, branch, { epoch, id, opening: opened.length });
  }

  private take(state: State, at: number, log: Log, piece: Piece): State | null {
    const own = node(state, at);
    const common = this.shape.rules.cutTo(own, commonLength(own.log, log));
    if (common === null || (piece === 'record 1' && common > 0)) return null;
    const length = piece === 'all' ? log.length : piece === 'record 1' ? 1 : Math.max(common, 2);
    if (piece !== 'all' && length >= log.length) return null;
    return withNode(state, at, {
      log: log.prefix(length),
      seen: longerOf(identityOf(own), log.identity),
      promisedLog: null,
    });
  }

  /**
   * The highest epoch that is known of this log: what is promised in another one, or in a former
   * branch, binds nobody here.
   */
  private highest(state: State, at: number, heard: readonly number[], identity: Identity | null): number {
    let highest = Math.max(node(state, at).promise, node(state, at).log.lastEpoch);
    for (const each of heard) {
      const other = node(state, each);
      if ((identityOf(other) ?? other.promisedLog) === identity) highest = Math.max(highest, other.promise);
    }
    return highest;
  }

  private heard(state: State, heard: readonly number[]): HeardLogs {
    return heardLogs(heard.map((each) => ({ name: this.shape.names[each] ?? '', folder: node(state, each) })));
  }
}

/** Those who hear a claim promise it, if they can follow it. */
function promiseOf(
  state: State,
  heard: readonly number[],
  { epoch, id, identity }: { readonly epoch: number; readonly id: string; readonly identity: Identity | null },
): State {
  return heard.reduce((next, each) => {
    const known = identityOf(node(next, each));
    if (!isPrefixOf(known, identity)) return next;
    // Whoever holds a log and hears of a later branch of it belongs to that.
    const seen = known === null ? null : identity;
    return withNode(next, each, {
      promise: epoch,
      promisedReign: id,
      seen,
      promisedLog: known === null ? identity : null,
    });
  }, state);
}

function opening(epoch: number, reign: string, by: Voter): ModelRecord {
  return { epoch, reign, entry: 0, list: null, by };
}

/** Do the records go as far as the log that the node belongs to? */
function isWhole(own: ModelNode): boolean {
  return own.log.identity !== null && own.log.identity === identityOf(own);
}

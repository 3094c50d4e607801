/**
 * What a cluster is made of: its nodes by number and by name, and what the settings say of them.
 */
import type { BirthMode } from '#master/core/election/birth';
import type { MembersControl, Voter } from '#protocol/record';
import { majority, nodeCount } from '#protocol/write-concern';
import type { Log } from './log';
import type { Rules } from './rules';
import type { Setup } from './setups';
import { node, type State } from './state';

export interface Step {
  readonly what: string;
  readonly state: State;
  /** The action is not one of the log's: a disk was lost or exchanged, or a process stopped. */
  readonly fromOutside: boolean;
}

/** The entries of the log that is none of this cluster's. */
export const STRANGE_ENTRY = 99;

const NO_VOTER = '?';

export class Shape {
  readonly names: readonly string[];
  readonly masters: number;
  readonly members: readonly string[];
  readonly nodes: number;
  readonly majority: number;
  /** Every choice of secondaries, as lists of node numbers. */
  readonly choices: readonly (readonly number[])[];
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

  voter(state: State, at: number): Voter {
    return { node: this.names[at] ?? NO_VOTER, store: node(state, at).store };
  }

  /** The list that a log or a branch begins with. */
  firstList(voter: Voter): MembersControl {
    return { control: 'members', members: this.members, voters: [voter] };
  }

  modeOf(at: number): BirthMode {
    return at === 0 ? this.setup.mode : 'never';
  }

  /** With LOG_ID set, the log that was begun first is the one. */
  isNamed(log: Log): boolean {
    return this.setup.logIdNamed && log.path[1]?.identity === this.reignId(1, 0, 0);
  }

  /** A node with LOG_ID set starts with no other log, and takes no other. */
  isAllowed(log: Log): boolean {
    return !this.setup.logIdNamed || log.length === 0 || this.isNamed(log);
  }

  reignId(epoch: number, at: number, life: number): string {
    return `${epoch}${this.names[at]}${life}`;
  }

  namesOf(numbers: readonly number[]): string {
    return numbers.length === 0 ? 'nobody' : numbers.map((each) => this.names[each]).join(' ');
  }
}

export function step(what: string, state: State): Step {
  return { what, state, fromOutside: false };
}

function subsets(of: readonly number[]): number[][] {
  const [first, ...rest] = of;
  if (first === undefined) return [[]];
  return subsets(rest).flatMap((set) => [set, [first, ...set]]);
}

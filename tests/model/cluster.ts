/**
 * What can happen at the border of a log's life, one step at a time: `successors` lists every next
 * state, each with words that say what happened.
 *
 * Every action names who takes part. Commit and acknowledgements follow at once from what the nodes
 * hold; that a master has not heard an ack yet is the state in which the node has not taken the
 * record.
 */

import type { Rules } from './rules';
import type { Setup } from './setups';
import { Shape, type Step } from './shape';
import { blankFolder, node, type State } from './state';
import { accidents } from './steps/accidents';
import { Candidates } from './steps/candidates';
import { Reigns } from './steps/reigns';

export class Cluster extends Shape {
  readonly reigns: Reigns;
  readonly candidates: Candidates;

  constructor(setup: Setup, rules: Rules) {
    super(setup, rules);
    this.reigns = new Reigns(this);
    this.candidates = new Candidates(this, this.reigns);
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
      const master = node(state, at).reign === null ? this.candidates : this.reigns;
      master.addSteps(state, at, steps);
    }
    return [...steps, ...accidents(this, state)];
  }
}

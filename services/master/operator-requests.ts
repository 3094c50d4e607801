/**
 * Operators who wait: each request for a change of the members, or for a force, goes to the machine
 * as an event, and waits for its answer.
 */

import type { ForcePlan } from './core/election/force';
import type { ChangeMember, MasterEvent, MemberChange } from './core/events';

interface OperatorRequestsOptions {
  /** A number for the next request; no other request of this node has it. */
  readonly next: () => number;
  readonly dispatch: (event: MasterEvent) => void;
}

export class OperatorRequests {
  private readonly changes = new Map<number, (outcome: MemberChange) => void>();
  private readonly forces = new Map<number, (plan: ForcePlan) => void>();

  constructor(private readonly options: OperatorRequestsOptions) {}

  /** Resolves when the list that says so is committed, or with the reason why it is not. */
  changeMember(type: ChangeMember['type'], node: string): Promise<MemberChange> {
    const request = this.options.next();
    return new Promise((resolve) => {
      this.changes.set(request, resolve);
      this.options.dispatch({ type, request, node });
    });
  }

  force(begin: 'best' | 'new'): Promise<ForcePlan> {
    const request = this.options.next();
    return new Promise((resolve) => {
      this.forces.set(request, resolve);
      this.options.dispatch({ type: 'force', request, begin });
    });
  }

  /** The machine's answer to `changeMember`. */
  answerChange(request: number, outcome: MemberChange): void {
    this.changes.get(request)?.(outcome);
    this.changes.delete(request);
  }

  /** The machine's answer to `force`. */
  answerForce(request: number, plan: ForcePlan): void {
    this.forces.get(request)?.(plan);
    this.forces.delete(request);
  }
}

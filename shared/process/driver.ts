/**
 * Drives a pure state machine: passes it one event at a time and performs each effect in order.
 * Events that an effect causes at once wait until the current step is done. An exception is a
 * broken invariant and ends the process.
 */

import { type Stepped, stepped } from './steps';

/** The queue of events in front of a machine. `step` throws only for a broken invariant. */
export class MachineDriver<Event, Effect> {
  private readonly queue: Event[] = [];
  private isStepping = false;

  constructor(
    private readonly options: {
      /** `now`: milliseconds of the monotonic clock. */
      readonly step: (now: number, event: Event) => readonly Effect[];
      readonly perform: (effect: Effect) => void;
      readonly fail: (error: unknown) => void;
    },
  ) {}

  /**
   * Runs a step for the event now, or queues it when a step is running. Never throws: an exception
   * of `step` or `perform` goes to `fail`.
   */
  dispatch(event: Event): void {
    this.queue.push(event);
    if (this.isStepping) return;
    this.isStepping = true;
    try {
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
        const effects = this.options.step(performance.now(), next);
        if (stepped.hasSubscribers) stepped.publish({ event: next, effects } satisfies Stepped<Event, Effect>);
        for (const effect of effects) this.options.perform(effect);
      }
    } catch (error) {
      this.options.fail(error);
    } finally {
      this.isStepping = false;
    }
  }
}

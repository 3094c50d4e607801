/**
 * The small loop between a pure machine and the world: one event at a time, each effect performed in order. What an effect sets off
 * at once waits until the step that caused it is done. An exception is a broken invariant and ends the process.
 */

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

  dispatch(event: Event): void {
    this.queue.push(event);
    if (this.isStepping) return;
    this.isStepping = true;
    try {
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
        for (const effect of this.options.step(performance.now(), next)) this.options.perform(effect);
      }
    } catch (error) {
      this.options.fail(error);
    } finally {
      this.isStepping = false;
    }
  }
}

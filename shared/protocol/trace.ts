/**
 * A trace effect says what a node did or noticed. A core does not log: its driver logs the traces,
 * a simulation keeps them, and tests assert on them.
 */
import type { LogEvent } from './log-events';

/** One line of the log that a core asks for. */
export interface Trace {
  readonly do: 'trace';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: LogEvent;
  /** Fields of the line. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** A trace of this event; its sentence is in LOG_EVENTS. */
export function trace(level: Trace['level'], event: LogEvent, facts: Trace['facts']): Trace {
  return { do: 'trace', level, event, facts };
}

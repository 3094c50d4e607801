/**
 * A trace effect says what a node did or noticed. A core does not log: its driver logs the traces,
 * a simulation keeps them, and tests assert on them.
 */

export interface Trace {
  readonly do: 'trace';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** A constant sentence. */
  readonly what: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export function trace(level: Trace['level'], what: string, facts: Trace['facts']): Trace {
  return { do: 'trace', level, what, facts };
}

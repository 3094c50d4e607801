/** A trace effect: what a node did or noticed, for its log, the traces of a simulation and the tests. A core does not log by itself. */

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

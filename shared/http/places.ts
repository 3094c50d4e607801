/** Bounds how many requests of a kind a node serves at once. */
import { PROBLEM_KINDS, type Problem, ProblemError } from './problem';

/** A limited number of places, each for one request. */
export class Places {
  private taken = 0;

  /** @param what the requests are, in the plural, for the refusal */
  constructor(
    private readonly max: number,
    private readonly what: string,
  ) {}

  /** Takes a place. Throws a `ProblemError` (503 `overloaded`) when there is none. */
  take(): void {
    if (this.taken >= this.max) throw new ProblemError(overloaded(`${this.max} ${this.what} already`));
    this.taken += 1;
  }

  /** Gives a place back. */
  give(): void {
    this.taken -= 1;
  }

  /** Runs `work` in a place of its own, which it has until the promise settles. */
  async within<Result>(work: () => Promise<Result>): Promise<Result> {
    this.take();
    try {
      return await work();
    } finally {
      this.give();
    }
  }
}

/** The places for those who wait, of the whole node: for a seq, for replication, for the members. */
export function waitingPlaces(max: number): Places {
  return new Places(max, 'requests wait here');
}

/** A limit of this node is reached; `detail` says which. */
export function overloaded(detail: string): Problem {
  return { kind: PROBLEM_KINDS.overloaded, detail: `${detail}, which is the limit`, headers: { 'Retry-After': '1' } };
}

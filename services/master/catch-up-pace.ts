/**
 * How a member that catches up leaves room for appends. Its fetches follow one another at once, and
 * each costs this node, the broker and the member what hundreds of appends cost; so while clients
 * append, the next answer waits three times as long as the last one took there and back, and
 * catching up takes a quarter of what it could. A member that only lacks a few records, or that
 * nobody appends beside, waits for nothing.
 */

/** The longest wait: a member that is slow by itself needs no brake. */
const PAUSE_MS_MAX = 50;
/** Of the time that an answer takes. */
const PAUSE_SHARE = 3;

interface Answered {
  readonly at: number;
  /** Last index of the log then. */
  readonly lastIndex: number;
  /** There was more to send. */
  readonly isBehind: boolean;
}

export class CatchUpPace {
  private readonly answered = new Map<string, Answered>();

  /** Milliseconds that the answer to this fetch is to wait. */
  pauseMs(node: string, now: number, lastIndex: number): number {
    const last = this.answered.get(node);
    if (last === undefined || !last.isBehind || lastIndex === last.lastIndex) return 0;
    return Math.min(PAUSE_SHARE * (now - last.at), PAUSE_MS_MAX);
  }

  recordAnswered(node: string, answered: Answered): void {
    this.answered.set(node, answered);
  }

  /** Members that are gone need no more room here. */
  keep(members: readonly string[]): void {
    for (const node of this.answered.keys()) if (!members.includes(node)) this.answered.delete(node);
  }
}

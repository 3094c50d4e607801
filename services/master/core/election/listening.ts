/**
 * What this node has heard of logs since it holds the lock, and whether it has listened for long
 * enough: after UNHEALTHY_AFTER_MS every node that is up has sent at least one heartbeat.
 */
import { ForeignNodes } from './foreign-nodes';
import { HeardLogs } from './heard-logs';

export class Listening {
  /** What each node says of its log. */
  readonly heard: HeardLogs;
  /** Nodes that hold another log under a name of this one. */
  readonly foreigners = new ForeignNodes();
  /**
   * A node said that there is a log while this node was blank. A node that falls silent afterwards
   * still holds it.
   */
  hasHeardOfALog = false;
  /** Null: this node does not hold the lock, so nobody talks to it. */
  private since: number | null = null;

  /** @param silenceMs longest time without a message of a node that is up */
  constructor(private readonly silenceMs: number) {
    this.heard = new HeardLogs(2 * silenceMs);
  }

  begin(now: number): void {
    this.since = now;
  }

  /** The connection or the lock is lost: nodes that are up will be heard again. */
  end(): void {
    this.since = null;
    this.heard.clear();
  }

  /** Has every node that is up had the time to be heard? */
  isComplete(now: number): boolean {
    return this.since !== null && now - this.since >= this.silenceMs;
  }
}

/**
 * Keeps the reports that this node has heard since it holds the lock, and measures how long it has
 * listened. After UNHEALTHY_AFTER_MS every node that is up has sent at least one heartbeat.
 */
import { ForeignNodes } from './foreign-nodes';
import { HeardLogs } from './heard-logs';

/** What this node has heard of logs, and for how long it has listened. Times are milliseconds. */
export class Listening {
  /** The log that each node reports. */
  readonly heard: HeardLogs;
  /** Nodes that hold another log. */
  readonly foreigners = new ForeignNodes();
  /**
   * A node reported a log while this node was blank. It stays set when that node falls silent: the
   * node still holds the log.
   */
  hasHeardOfALog = false;
  /** Null: this node does not hold the lock, so no node sends it messages. */
  private since: number | null = null;

  /** @param silenceMs the longest time for which a node that is up sends no message */
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

  /** Has this node listened so long that every node that is up was heard? */
  isComplete(now: number): boolean {
    return this.since !== null && now - this.since >= this.silenceMs;
  }
}

/**
 * What follows the end of a node that the launcher did not stop. Three kinds of end:
 *
 *   told to      exit code 0: somebody sent it SIGTERM. It stays down until told otherwise
 *   hopeless     its settings or its port are wrong: the same start would end the same way
 *   crash        anything else, SIGKILL too: it is started again, later each time
 *
 * A restart waits long enough for the failure to be watched: a master needs 3 s to call a silent
 * secondary Unhealthy.
 */
import { retryDelayMs } from '#protocol/retry-policy';

export interface NodeEnd {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly uptimeMs: number;
  /** Crashes in a row, this one not counted. */
  readonly crashes: number;
}

export type AfterEnd =
  | { readonly next: 'stays-down' | 'hopeless' }
  | { readonly next: 'restart'; readonly delayMs: number; readonly crashes: number };

/** EX_CONFIG and EX_UNAVAILABLE of sysexits.h, as the nodes use them. */
const HOPELESS = [78, 69];
const DELAYS = { delayMsMin: 10_000, delayMsMax: 60_000 };
/** Having run this long, a node has proven itself: its next crash is a first one. */
const PROVEN_MS = 60_000;

export function afterEnd({ code, uptimeMs, crashes }: NodeEnd): AfterEnd {
  if (code === 0) return { next: 'stays-down' };
  if (code !== null && HOPELESS.includes(code)) return { next: 'hopeless' };
  const count = uptimeMs >= PROVEN_MS ? 1 : crashes + 1;
  // One machine, few nodes: none comes back in step, so the whole wait is taken, and none drawn.
  return { next: 'restart', delayMs: retryDelayMs(DELAYS, count, 1), crashes: count };
}

/** "killed by SIGKILL", "exit code 70". */
export function describeEnd({ code, signal }: Pick<NodeEnd, 'code' | 'signal'>): string {
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

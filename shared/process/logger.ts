/**
 * The log of a process: JSON lines on stdout, or readable ones when stdout is a terminal. Every
 * line has the node and its role.
 *
 * Lines are written without waiting (a reader of stdout that stalls must not stall a master); pino
 * writes the rest at exit. What nobody reads is dropped at a bound, for a process must not die of
 * its own log.
 */
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from './node-settings';

/** Unwritten bytes beyond which lines are dropped. */
const BUFFERED_BYTES_MAX = 16 * 2 ** 20;
/**
 * One: each line is written at once. With pino's zero, `flush` would not wait for what is under
 * way.
 */
const WRITTEN_BYTES_MIN = 1;

interface LoggerOptions {
  readonly level: LogLevel;
  readonly node: string;
  readonly role: string;
  /** stdout unless it is for something else. */
  readonly to?: 'stdout' | 'stderr';
}

export function createLogger({ level, node, role, to = 'stdout' }: LoggerOptions): Logger {
  const options = { level, base: { node, role }, timestamp: pino.stdTimeFunctions.isoTime };
  const { isTTY, fd } = process[to];
  if (isTTY) return pino(options, pretty({ destination: fd, sync: true, ignore: 'node,role', singleLine: true }));
  return pino(
    options,
    pino.destination({ dest: fd, sync: false, minLength: WRITTEN_BYTES_MIN, maxLength: BUFFERED_BYTES_MAX }),
  );
}

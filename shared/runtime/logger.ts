/**
 * The log of a process: JSON lines on stdout, or readable ones when stdout is a terminal. Every line has the node and its role.
 *
 * Lines are written without waiting (a reader of stdout that stalls must not stall a master); pino writes the rest at exit. What
 * nobody reads is dropped at a bound, for a process must not die of its own log.
 */
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from './node-settings';

/** Unwritten bytes beyond which lines are dropped. */
const BUFFERED_BYTES_MAX = 16 * 2 ** 20;

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly node: string;
  readonly role: string;
}

export function createLogger({ level, node, role }: LoggerOptions): Logger {
  const options = { level, base: { node, role }, timestamp: pino.stdTimeFunctions.isoTime };
  if (process.stdout.isTTY) return pino(options, pretty({ destination: 1, sync: true, ignore: 'node,role,pid' }));
  return pino(options, pino.destination({ dest: 1, sync: false, maxLength: BUFFERED_BYTES_MAX }));
}

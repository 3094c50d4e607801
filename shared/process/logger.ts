/**
 * Creates the logger of a process: JSON lines on stdout, or readable lines when stdout is a
 * terminal. Every line has the node and its role.
 *
 * Lines are written asynchronously, because a stalled reader of stdout must not stall a master;
 * pino writes the rest at exit. Beyond a bound lines are dropped, because a process must not run
 * out of memory through its own log.
 */
import pino, { type DestinationStream, type Logger } from 'pino';
import { LOG_EVENTS, type LogEvent } from '#protocol/log-events';
import type { LogLevel } from './node-settings';

/** Unwritten bytes beyond which lines are dropped. */
const BUFFERED_BYTES_MAX = 16 * 2 ** 20;
/**
 * 1, so that each line is written at once. With pino's default of 0, `flush` would not wait for a
 * write in progress.
 */
const WRITTEN_BYTES_MIN = 1;

interface LoggerOptions {
  readonly level: LogLevel;
  readonly node: string;
  readonly role: string;
  /** Default stdout; a command whose stdout is its result logs to stderr. */
  readonly to?: 'stdout' | 'stderr';
}

/**
 * Logs an event: its name as the field `event`, its sentence as the message.
 * @param facts fields of the line, never a client's text at info or above
 */
export function logEvent(
  logger: Logger,
  level: 'debug' | 'info' | 'warn' | 'error' | 'fatal',
  event: LogEvent,
  facts: object = {},
): void {
  logger[level]({ event, ...facts }, LOG_EVENTS[event]);
}

/** A pino logger with ISO 8601 timestamps. */
export function createLogger({ level, node, role, to = 'stdout' }: LoggerOptions): Logger {
  const options = { level, base: { node, role }, timestamp: pino.stdTimeFunctions.isoTime };
  const { isTTY, fd } = process[to];
  if (isTTY) return pino(options, prettyTo(fd));
  return pino(
    options,
    pino.destination({ dest: fd, sync: false, minLength: WRITTEN_BYTES_MIN, maxLength: BUFFERED_BYTES_MAX }),
  );
}

/** Loads pino-pretty's 30 files only at a terminal: a twentieth of the start of a process. */
function prettyTo(fd: number): DestinationStream {
  const pretty = require('pino-pretty') as typeof import('pino-pretty');
  return pretty({ destination: fd, sync: true, ignore: 'node,role', singleLine: true });
}

/**
 * A node's log lines as a person sees them on the launcher's terminal: from a level on, readable,
 * the node's name in front. Lines that are no JSON (what a process says before its logger is there,
 * and what the runtime says when it dies) are always shown. The last lines are kept whatever their
 * level, to explain an end.
 */
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { LogLevel } from '#process/node-settings';

/** Enough for an error with its stack. */
const TAIL_LINES = 15;

export interface LogViewOptions {
  readonly node: string;
  readonly level: LogLevel;
  readonly isColored: boolean;
  /**
   * Takes one or more whole lines, with pino's number for their level; null: not lines of our
   * logger.
   */
  readonly show: (text: string, level: number | null) => void;
}

export class LogView {
  private readonly recent: string[] = [];
  private readonly levelMin: number;
  private readonly pretty: (line: string) => string;

  constructor(private readonly options: LogViewOptions) {
    this.levelMin = pino.levels.values[options.level] ?? Number.POSITIVE_INFINITY;
    this.pretty = prettyFactory({
      colorize: options.isColored,
      ignore: 'pid,hostname,node,role',
      translateTime: 'SYS:HH:MM:ss',
      singleLine: true,
    });
  }

  take(line: string): void {
    const level = levelOf(line);
    const readable = level === null ? line : this.pretty(line).trimEnd();
    this.recent.push(readable);
    if (this.recent.length > TAIL_LINES) this.recent.shift();
    if (level === null || level >= this.levelMin)
      this.options.show(prefixed(`${this.options.node} | `, readable), level);
  }

  /** The last lines, whatever their level. */
  tail(): string {
    return prefixed('    ', this.recent.join('\n'));
  }

  /** What an earlier process of the node said explains nothing about its successor. */
  forgetTail(): void {
    this.recent.length = 0;
  }
}

/** null: not a line of our logger. */
function levelOf(line: string): number | null {
  if (!line.startsWith('{')) return null;
  try {
    const { level } = JSON.parse(line) as { readonly level?: unknown };
    return typeof level === 'number' ? level : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function prefixed(prefix: string, text: string): string {
  return text.replace(/^/gm, prefix);
}

/**
 * The log lines of a node: all of them in a file, which each start of the launcher begins anew, and
 * from a level on, readable, with the node's name in front, on the launcher's terminal. Lines that
 * are no JSON (what a process says before its logger is there, and what the runtime says when it
 * dies) are always shown. The last lines are kept whatever their level, to explain an end.
 */
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { LogLevel } from '#process/node-settings';
import { messageOf } from '../broker/launch-error';

/** Enough for an error with its stack. */
const TAIL_LINES = 15;

const pretty = prettyFactory({
  colorize: process.stdout.isTTY,
  ignore: 'pid,hostname,node,role',
  translateTime: 'SYS:HH:MM:ss',
  singleLine: true,
});

export class NodeLog {
  private recent: string[] = [];
  private isWritable = true;

  /** `show` takes whole lines, with pino's number for their level; null: not lines of our logger. */
  constructor(
    private readonly node: string,
    private readonly path: string,
    private readonly level: LogLevel,
    private readonly show: (text: string, level: number | null) => void,
  ) {
    this.write(() => mkdirSync(dirname(path), { recursive: true }));
    this.write(() => rmSync(path, { force: true }));
  }

  take(line: string): void {
    this.write(() => appendFileSync(this.path, `${line}\n`));
    const level = levelOf(line);
    const readable = level === null ? line : pretty(line).trimEnd();
    this.recent = [...this.recent, readable].slice(-TAIL_LINES);
    const isShown = level === null || level >= (pino.levels.values[this.level] ?? Number.POSITIVE_INFINITY);
    if (isShown) this.show(prefixed(`${this.node} | `, readable), level);
  }

  /** The last lines, whatever their level. */
  tail(): string {
    return prefixed('    ', this.recent.join('\n'));
  }

  /** What an earlier process of the node said explains nothing about its successor. */
  forgetTail(): void {
    this.recent = [];
  }

  /** A disk that takes no more ends the writing, said once; the node's other work goes on. */
  private write(action: () => void): void {
    try {
      if (this.isWritable) action();
    } catch (error) {
      this.isWritable = false;
      this.show(`${this.path} cannot be written: ${messageOf(error)}`, null);
    }
  }
}

/** null: not a line of our logger. */
function levelOf(line: string): number | null {
  try {
    const { level } = JSON.parse(line) as { readonly level?: unknown };
    return typeof level === 'number' ? level : null;
  } catch {
    return null;
  }
}

function prefixed(prefix: string, text: string): string {
  return text.replace(/^/gm, prefix);
}

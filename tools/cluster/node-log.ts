/**
 * The log lines of a node: all of them in `<folder>/<node>.log`, and from a level on, readable, with
 * the node's name in front, on the launcher's terminal. Lines that are no JSON (what a process says
 * before its logger is there, and what the runtime says when it dies) are always shown. The last
 * lines are kept whatever their level, to explain an end.
 *
 * Each start of the launcher begins a new file and keeps the one before as `<node>.log.1`; so does a
 * file that has reached its bound. Nothing older is kept. A disk that takes no more lines ends the
 * writing, said once; it does not end the nodes' other work.
 */
import { appendFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { LogLevel } from '#process/node-settings';
import { messageOf } from '../broker/errors';

/** Two of these for each node. */
const FILE_BYTES_MAX = 10 * 2 ** 20;
/** Enough for an error with its stack. */
const TAIL_LINES = 15;

export interface NodeLogOptions {
  readonly node: string;
  readonly path: string;
  readonly level: LogLevel;
  readonly isColored: boolean;
  /** Takes whole lines, with pino's number for their level; null: not lines of our logger. */
  readonly show: (text: string, level: number | null) => void;
  readonly bytesMax?: number;
}

export class NodeLog {
  private readonly recent: string[] = [];
  private readonly pretty: (line: string) => string;
  private isWritable = true;
  private bytes = 0;

  constructor(private readonly options: NodeLogOptions) {
    const translateTime = 'SYS:HH:MM:ss';
    const ignore = 'pid,hostname,node,role';
    this.pretty = prettyFactory({ colorize: options.isColored, ignore, translateTime, singleLine: true });
    this.write(() => this.beginFile());
  }

  take(line: string): void {
    this.write(() => this.append(`${line}\n`));
    const { node, level: levelMin, show } = this.options;
    const level = levelOf(line);
    const readable = level === null ? line : this.pretty(line).trimEnd();
    this.recent.push(readable);
    if (this.recent.length > TAIL_LINES) this.recent.shift();
    const isShown = level === null || level >= (pino.levels.values[levelMin] ?? Number.POSITIVE_INFINITY);
    if (isShown) show(prefixed(`${node} | `, readable), level);
  }

  /** The last lines, whatever their level. */
  tail(): string {
    return prefixed('    ', this.recent.join('\n'));
  }

  /** What an earlier process of the node said explains nothing about its successor. */
  forgetTail(): void {
    this.recent.length = 0;
  }

  private append(text: string): void {
    const { path, bytesMax = FILE_BYTES_MAX } = this.options;
    if (this.bytes > 0 && this.bytes + Buffer.byteLength(text) > bytesMax) this.beginFile();
    appendFileSync(path, text);
    this.bytes += Buffer.byteLength(text);
  }

  private beginFile(): void {
    const { path } = this.options;
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) renameSync(path, `${path}.1`);
    writeFileSync(path, '');
    this.bytes = 0;
  }

  private write(action: () => void): void {
    try {
      if (this.isWritable) action();
    } catch (error) {
      this.isWritable = false;
      this.options.show(`${this.options.path} cannot be written: ${messageOf(error)}`, null);
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

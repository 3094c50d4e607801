/**
 * The log lines of a node: all of them in a file, and from a level on, readable, on the launcher's
 * terminal. Lines that are no JSON (of the runtime, or before there is a logger) are always shown.
 * Each start of the launcher begins the file anew. A full file is renamed to `<name>.log.1`, in
 * place of the one before, so a node has at most two.
 */
import { appendFileSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import pino from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { LogLevel } from '#process/node-settings';
import { messageOf } from '../broker/launch-error';

/** Some 80,000 lines. */
const FILE_BYTES_MAX = 16 * 2 ** 20;
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
  private fileBytes = 0;

  /** `show` takes whole lines, of the log from `level` on. */
  constructor(
    private readonly node: string,
    readonly path: string,
    public level: LogLevel,
    private readonly show: (text: string) => void,
  ) {
    this.write(() => mkdirSync(dirname(path), { recursive: true }));
    for (const old of [path, `${path}.1`]) this.write(() => rmSync(old, { force: true }));
  }

  take(line: string): void {
    this.write(() => this.append(`${line}\n`));
    const level = levelOf(line);
    const readable = level === null ? line : pretty(line).trimEnd();
    this.recent = [...this.recent, readable].slice(-TAIL_LINES);
    const isShown = level === null || level >= (pino.levels.values[this.level] ?? Number.POSITIVE_INFINITY);
    if (isShown) this.show(prefixed(`${this.node} | `, readable));
  }

  /** The last lines, whatever their level. */
  tail(): string {
    return prefixed('    ', this.recent.join('\n'));
  }

  /** What an earlier process of the node said explains nothing about its successor. */
  forgetTail(): void {
    this.recent = [];
  }

  private append(line: string): void {
    if (this.fileBytes >= FILE_BYTES_MAX) {
      renameSync(this.path, `${this.path}.1`);
      this.fileBytes = 0;
    }
    appendFileSync(this.path, line);
    this.fileBytes += Buffer.byteLength(line);
  }

  /** A disk that takes no more ends the writing, said once; the node's other work goes on. */
  private write(action: () => void): void {
    try {
      if (this.isWritable) action();
    } catch (error) {
      this.isWritable = false;
      this.show(`${this.path} cannot be written: ${messageOf(error)}`);
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

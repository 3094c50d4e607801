/**
 * The log file of a node: its lines as they come, in `<folder>/<node>.log`. Each start of the
 * launcher begins a new file and keeps the one before as `<node>.log.1`; so does a file that has
 * reached its bound. Nothing older is kept.
 *
 * A disk that takes no more lines ends the writing, said once; it does not end the nodes' other
 * work.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Two of these for each node. */
const FILE_BYTES_MAX = 10 * 2 ** 20;

export class LogFile {
  readonly path: string;
  private fd: number | null = null;
  private bytes = 0;

  constructor(
    folder: string,
    node: string,
    private readonly onFailure: (sentence: string) => void,
    private readonly bytesMax = FILE_BYTES_MAX,
  ) {
    this.path = join(folder, `${node}.log`);
    this.attempt(() => {
      mkdirSync(folder, { recursive: true });
      this.begin();
    });
  }

  append(line: string): void {
    if (this.fd === null) return;
    const text = `${line}\n`;
    this.attempt(() => {
      if (this.bytes > 0 && this.bytes + Buffer.byteLength(text) > this.bytesMax) this.begin();
      if (this.fd !== null) this.bytes += writeSync(this.fd, text);
    });
  }

  close(): void {
    if (this.fd !== null) closeSync(this.fd);
    this.fd = null;
  }

  private begin(): void {
    this.close();
    if (existsSync(this.path)) renameSync(this.path, `${this.path}.1`);
    this.fd = openSync(this.path, 'w');
    this.bytes = 0;
  }

  private attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.fd = null;
      this.onFailure(`${this.path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

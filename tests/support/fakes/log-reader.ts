/** A log of made entries whose head and history a test moves, and which counts how it is read. */
import { EventEmitter, once } from 'node:events';
import type { ForeignLog, LogReader, ReaderPosition } from '#http/reading/log-reader';
import type { Entry } from '#protocol/entry';
import type { Identity } from '#protocol/identity';
import { LogOutline } from '#protocol/log/outline';

const FIRST_REIGN = '1a';

export class FakeLogReader implements LogReader {
  head = 0;
  commit = 0;
  epoch = 1;
  /** Undefined: what its records say. */
  log: Identity | null | undefined;
  /** Undefined: this node's own. */
  logHead: number | null | undefined;
  foreignLog: ForeignLog | null = null;
  readonly outline = new LogOutline();
  /** Text of every entry. */
  messageOf = (seq: number): string => `Msg${seq}`;
  readsBegun = 0;
  entriesRead = 0;
  /** Entries from this seq on have been lost. */
  lostFrom = Number.POSITIVE_INFINITY;
  private readonly changes = new EventEmitter().setMaxListeners(0);

  entry(seq: number): Entry {
    const ts = '2026-01-01T00:00:00.000Z';
    return { seq, epoch: this.epoch, id: `id-${seq}`, ts, message: this.messageOf(seq) };
  }

  entries(from: number, to: number): readonly Entry[] {
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, at) => this.entry(from + at));
  }

  moveHead(head: number, commit = head): void {
    this.keepUp(head);
    this.head = head;
    this.commit = commit;
    this.changes.emit('head');
    this.moved();
  }

  moved(): void {
    this.changes.emit('moved');
  }

  /** What is appended from now on is another reign's, of the next epoch. */
  beginReign(reign: string): void {
    this.keepUp(this.head);
    this.openEpoch(reign);
  }

  private openEpoch(reign: string): void {
    this.epoch = Math.max(this.epoch, this.outline.lastEpoch) + (this.outline.lastIndex === 0 ? 0 : 1);
    const control = { control: 'epoch', reign, node: 'a', store: 's' } as const;
    const { lastIndex, lastSeq } = this.outline;
    this.outline.append({ index: lastIndex + 1, epoch: this.epoch, seq: lastSeq, control });
  }

  /**
   * The outline of a log with this head; one that is cut goes on in the epoch that its new end is
   * of.
   */
  private keepUp(head: number): void {
    const { outline } = this;
    const last = outline.indexOf(head);
    if (head < outline.lastSeq) outline.truncateAfter(last ?? 1);
    if (head > 0 && outline.lastIndex === 0) this.openEpoch(FIRST_REIGN);
    while (outline.lastSeq < head) {
      const { lastIndex, lastSeq, lastEpoch: epoch } = outline;
      outline.append({ index: lastIndex + 1, epoch, seq: lastSeq + 1, control: null });
    }
  }

  watch(moved: () => void): void {
    this.changes.on('moved', moved);
  }

  get waiting(): number {
    return this.changes.listenerCount('head');
  }

  position(): ReaderPosition {
    const { head, commit, epoch, log = this.outline.identity, logHead = head } = this;
    return { head, commit, epoch, log, logHead };
  }

  foreign(): ForeignLog | null {
    return this.foreignLog;
  }

  async read({ from, to, maxBytes }: { from: number; to: number; maxBytes: number }): Promise<readonly Uint8Array[]> {
    this.readsBegun += 1;
    const entries: Uint8Array[] = [];
    let bytes = 0;
    for (let seq = from; seq <= Math.min(to, this.head, this.lostFrom - 1) && bytes < maxBytes; seq += 1) {
      const entry = Buffer.from(JSON.stringify(this.entry(seq)));
      entries.push(entry);
      bytes += entry.length;
    }
    this.entriesRead += entries.length;
    return entries;
  }

  async readJoined(range: { from: number; to: number; maxBytes: number; separator: number }) {
    const entries = await this.read(range);
    const separator = Buffer.of(range.separator);
    const parts = entries.flatMap((entry) => [entry, separator]);
    return { bytes: Buffer.concat(parts), count: entries.length };
  }

  async findId(id: string): Promise<number | null> {
    const seq = Number(/^id-([0-9]+)$/.exec(id)?.[1] ?? 0);
    return seq >= 1 && seq <= this.head ? seq : null;
  }

  async whenVisible(
    seq: number,
    { timeoutMs, signal, committed }: { timeoutMs: number | null; signal: AbortSignal; committed?: boolean },
  ) {
    const bound = timeoutMs === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    while ((committed === true ? this.commit : this.head) < seq) {
      const ended = await once(this.changes, 'head', { signal: bound }).then(
        () => false,
        () => true,
      );
      if (ended) return false;
    }
    return true;
  }
}

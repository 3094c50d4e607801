/**
 * Implements `LogReader` over the store, limited to what the node's state machine says is visible.
 */
import type { OutlineView } from '#protocol/log/outline';
import { entryOf } from '#protocol/record';
import { type EntryBytes, type LogStore, StorageError } from '#storage/log-store';
import type { ForeignLog, LogReader, ReaderPosition } from './log-reader';

/** Records in one read; with small entries this limit is reached before that of the bytes. */
const RECORDS_MAX = 16_384;

const NO_ENTRIES: EntryBytes = { bytes: new Uint8Array(0), count: 0 };

interface Watcher {
  readonly seq: number;
  readonly committed: boolean;
  readonly wake: () => void;
}

/** The reader of one node. `look` returns the current positions. */
export class StoreReader implements LogReader {
  private readonly watchers = new Set<Watcher>();
  /** Lowest seq that a watcher waits for; infinite for none. */
  private lowestWatched = Number.POSITIVE_INFINITY;
  private readonly observers: (() => void)[] = [];

  constructor(
    private readonly store: LogStore,
    readonly outline: OutlineView,
    private readonly look: () => ReaderPosition,
    /** Called for each read that meets a damaged record. */
    private readonly onDamage: (error: StorageError) => void = () => undefined,
    /** See `LogReader.foreign`; the owner calls `moved` when the answer changes. */
    readonly foreign: () => ForeignLog | null = () => null,
  ) {}

  position(): ReaderPosition {
    return this.look();
  }

  async read({
    from,
    to,
    maxBytes,
  }: {
    readonly from: number;
    readonly to: number;
    readonly maxBytes: number;
  }): Promise<readonly Uint8Array[]> {
    const range = this.visible(from, to);
    if (range === null) return [];
    const limits = { to: range.last, maxBytes, maxRecords: RECORDS_MAX };
    const records = await this.noticing(this.store.read(range.first, limits));
    return records.filter(({ control }) => control === null).map(({ bytes }) => bytes);
  }

  async readJoined({
    from,
    to,
    maxBytes,
    separator,
  }: {
    readonly from: number;
    readonly to: number;
    readonly maxBytes: number;
    readonly separator: number;
  }): Promise<EntryBytes> {
    const range = this.visible(from, to);
    if (range === null) return NO_ENTRIES;
    const limits = { to: range.last, maxBytes, maxRecords: RECORDS_MAX };
    return this.noticing(this.store.readEntries(range.first, limits, separator));
  }

  /** Indexes of the visible entries from seq `from` to `to`; null when there is none. */
  private visible(from: number, to: number): { readonly first: number; readonly last: number } | null {
    const first = this.outline.indexOf(from);
    const last = this.outline.indexOf(Math.min(to, this.look().head));
    return first === null || last === null || last < first ? null : { first, last };
  }

  private async noticing<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      if (error instanceof StorageError && error.code === 'damaged') this.onDamage(error);
      throw error;
    }
  }

  async findId(id: string): Promise<number | null> {
    const seq = this.store.seqOfId(id);
    if (seq === null) return null;
    const [entry] = await this.read({ from: seq, to: seq, maxBytes: 1 });
    return entry !== undefined && entryOf(entry).id === id ? seq : null;
  }

  whenVisible(
    seq: number,
    {
      timeoutMs,
      signal,
      committed = false,
    }: { readonly timeoutMs: number | null; readonly signal: AbortSignal; readonly committed?: boolean },
  ): Promise<boolean> {
    if (isReached({ seq, committed }, this.look())) return Promise.resolve(true);
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (visible: boolean) => {
        this.watchers.delete(watcher);
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        resolve(visible);
      };
      const abort = () => end(false);
      const watcher = { seq, committed, wake: () => end(true) };
      const timer = timeoutMs === null ? undefined : setTimeout(abort, timeoutMs);
      signal.addEventListener('abort', abort, { once: true });
      this.watchers.add(watcher);
      this.lowestWatched = Math.min(this.lowestWatched, seq);
    });
  }

  watch(moved: () => void): void {
    this.observers.push(moved);
  }

  /**
   * Tells the reader that head or commit may have changed: calls the watchers and resolves the
   * waits that are fulfilled.
   */
  moved(): void {
    for (const observer of this.observers) observer();
    const position = this.look();
    if (position.head < this.lowestWatched) return;
    for (const watcher of [...this.watchers]) if (isReached(watcher, position)) watcher.wake();
    this.lowestWatched = Number.POSITIVE_INFINITY;
    for (const { seq } of this.watchers) this.lowestWatched = Math.min(this.lowestWatched, seq);
  }
}

function isReached({ seq, committed }: Omit<Watcher, 'wake'>, { head, commit }: ReaderPosition): boolean {
  return seq <= (committed ? commit : head);
}

/**
 * The window that readers have on a node's log: a `LogReader` over the store, as far as the node's
 * machine says it is visible.
 */
import type { LogOutline } from '#protocol/log/outline';
import { entryOf } from '#protocol/record';
import { type EntryBytes, type LogStore, StorageError } from '#storage/log-store';
import type { ForeignLog, LogReader, ReaderPosition } from './log-reader';

/** Records in one read; with small entries this is reached before the bytes are. */
const RECORDS_MAX = 16_384;

const NO_ENTRIES: EntryBytes = { bytes: new Uint8Array(0), count: 0 };

interface Watcher {
  readonly seq: number;
  readonly committed: boolean;
  readonly wake: () => void;
}

export class StoreReader implements LogReader {
  private readonly watchers = new Set<Watcher>();
  /** Lowest seq that a watcher waits for. */
  private lowestWatched = Number.POSITIVE_INFINITY;
  private readonly observers: (() => void)[] = [];

  constructor(
    private readonly store: LogStore,
    readonly outline: LogOutline,
    private readonly look: () => ReaderPosition,
    /** A record that was asked for is damaged; called for each such read. */
    private readonly onDamage: (error: StorageError) => void = () => undefined,
    /**
     * What makes this node's log another one than its master's; whoever changes the answer calls
     * `moved`.
     */
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

  /** Indexes of the visible entries from seq `from` to `to`; null: there is none. */
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

  /** Head or commit may have moved: whoever waited for it goes on. */
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

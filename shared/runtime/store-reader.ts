/**
 * The window that readers have on a node's log: a `LogReader` over the store, as far as the node's machine says it is visible.
 */
import type { LogOutline } from '../protocol/log-outline';
import { entryOf, type LogRecord } from '../protocol/record';
import type { LogReader, ReaderPosition } from './log-reader';
import { type LogStore, type ReadLimits, StorageError } from './log-store/log-store';

/** Records in one read; with small entries this is reached before the bytes are. */
const RECORDS_MAX = 16_384;

interface Watcher {
  readonly seq: number;
  readonly wake: () => void;
}

export class StoreReader implements LogReader {
  private readonly watchers = new Set<Watcher>();
  /** Lowest seq that a watcher waits for. */
  private lowestWatched = Number.POSITIVE_INFINITY;
  private readonly observers: (() => void)[] = [];

  constructor(
    private readonly store: LogStore,
    private readonly outline: LogOutline,
    private readonly look: () => ReaderPosition,
    /** A record that was asked for is damaged; called for each such read. */
    private readonly onDamage: (error: StorageError) => void = () => undefined,
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
    const first = this.outline.indexOf(from);
    const last = this.outline.indexOf(Math.min(to, this.look().head));
    if (first === null || last === null || last < first) return [];
    const records = await this.readRecords(first, { to: last, maxBytes, maxRecords: RECORDS_MAX });
    return records.filter(({ control }) => control === null).map(({ bytes }) => bytes);
  }

  private async readRecords(first: number, limits: ReadLimits): Promise<readonly LogRecord[]> {
    try {
      return await this.store.read(first, limits);
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
    { timeoutMs, signal }: { readonly timeoutMs: number | null; readonly signal: AbortSignal },
  ): Promise<boolean> {
    if (this.look().head >= seq) return Promise.resolve(true);
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (visible: boolean) => {
        this.watchers.delete(watcher);
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        resolve(visible);
      };
      const abort = () => end(false);
      const watcher = { seq, wake: () => end(true) };
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
    const { head } = this.look();
    if (head < this.lowestWatched) return;
    for (const watcher of [...this.watchers]) if (watcher.seq <= head) watcher.wake();
    this.lowestWatched = Number.POSITIVE_INFINITY;
    for (const { seq } of this.watchers) this.lowestWatched = Math.min(this.lowestWatched, seq);
  }
}

/**
 * Is this log the master's? Epochs and indexes say so by Raft's log matching; a disk or a bug could
 * break that unseen. So each announcement's running checksum is compared where both are known, and
 * when they differ nothing more is built on this log: the node stops applying, looks for the first
 * record that differs, and says which one it is. Only a new process, with a mended store, leaves
 * that state.
 *
 *     agreeing ──checksums differ at one index──▶ searching (divergence-search.ts) ──▶ found
 */
import type { OutlineView } from '#protocol/log/outline';
import { trace } from '#protocol/trace';
import type { MessageOf, Sender } from '#protocol/wire/messages';
import type { SecondaryEffect } from '../events';
import { DivergenceSearch } from './divergence-search';

/** When a question is asked, and by whom. */
export interface Asker extends Sender {
  readonly now: number;
  readonly node: string;
}

export class Integrity {
  /** Looks for the first record that is not the master's; null: the logs agree, as far as known. */
  private search: DivergenceSearch | null = null;
  private isReported = false;
  private nextAskAt = 0;

  /** @param retryMs a lost answer is asked for again after so long */
  constructor(
    private readonly outline: OutlineView,
    private readonly retryMs: number,
  ) {}

  /** Do the logs agree, as far as is known? */
  get agrees(): boolean {
    return this.search === null;
  }

  /**
   * Seq of the first entry that is not the master's; 0 while it is looked for, null when the logs
   * agree.
   */
  get differsAt(): number | null {
    if (this.search === null) return null;
    return this.search.found === null ? 0 : this.outline.seqAt(this.search.found);
  }

  /** The checksums differ at `headIndex`. */
  becomeDiffering(headIndex: number, asker: Asker, out: SecondaryEffect[]): void {
    this.search = new DivergenceSearch(headIndex);
    out.push(trace('error', "this log is not the master's: stops applying", { headIndex }));
    this.proceed(asker, out);
  }

  /** The own checksum, from the store. */
  recordOurs(index: number, checksum: number, asker: Asker, out: SecondaryEffect[]): void {
    this.search?.recordOurs(index, checksum);
    this.proceed(asker, out);
  }

  /** The master's, in answer to a fetch. */
  recordTheirs({ prevIndex, prevChecksum }: MessageOf<'entries'>, asker: Asker, out: SecondaryEffect[]): void {
    if (prevChecksum === undefined) return;
    this.search?.recordTheirs(prevIndex, prevChecksum);
    this.proceed(asker, out);
  }

  /** The master has no such record as was asked for. */
  recordParted(asker: Asker, out: SecondaryEffect[]): void {
    const asking = this.search?.asking ?? null;
    if (asking !== null) this.search?.recordTheirs(asking, null);
    this.proceed(asker, out);
  }

  /** Asks again for what did not come. */
  tick(asker: Asker, out: SecondaryEffect[]): void {
    if (asker.now >= this.nextAskAt) this.proceed(asker, out);
  }

  /**
   * Asks for what the search wants next; a lost answer is asked for again at the next tick that is
   * due.
   */
  private proceed({ now, epoch, reign, log, node }: Asker, out: SecondaryEffect[]): void {
    if (this.search === null) return;
    const { asking: index, found } = this.search;
    if (found !== null && !this.isReported) {
      this.isReported = true;
      const facts = { seq: this.outline.seqAt(found), index: found, epoch };
      out.push(trace('error', "the first entry that differs from the master's", facts));
    }
    if (index === null) return;
    this.nextAskAt = now + this.retryMs;
    if (this.search.wantsOurs) out.push({ do: 'lookUpChecksum', index });
    const range = {
      from: index + 1,
      lastEpoch: this.outline.epochAt(index) ?? 0,
      lastReign: this.outline.reignAt(index),
      limit: 1,
      withChecksum: true,
    } as const;
    out.push({ do: 'send', to: null, message: { type: 'fetch', epoch, reign, log, node, ...range } });
  }
}

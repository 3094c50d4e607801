/**
 * Compares this log with the master's by running checksums, to detect silent corruption. Raft's log
 * matching compares epochs and indexes only, which a faulty disk or a bug can leave intact.
 *
 * On a mismatch nothing more is appended: the node searches the first record that differs and
 * reports its seq. Only a new process, with a repaired or empty store, leaves that state.
 *
 *     agreeing ──checksums differ at one index──▶ searching (divergence-search.ts) ──▶ found
 */
import type { OutlineView } from '#protocol/log/outline';
import { trace } from '#protocol/trace';
import type { MessageOf, Sender } from '#protocol/wire/messages';
import type { SecondaryEffect } from '../events';
import { DivergenceSearch } from './divergence-search';

/** What the comparison reads. */
interface IntegrityParts {
  /** This node's id. */
  readonly node: string;
  readonly outline: OutlineView;
  /** The epoch followed, which every question names. */
  readonly following: { readonly id: Sender };
}

/** Times are milliseconds of the monotonic clock. A lost answer is asked for again. */
export class Integrity {
  /** Searches the first record that differs; null: the logs agree, as far as known. */
  private search: DivergenceSearch | null = null;
  private isReported = false;
  private nextQuestionAt = 0;

  /** @param retryMs after which a question without an answer is repeated */
  constructor(
    private readonly parts: IntegrityParts,
    private readonly retryMs: number,
  ) {}

  /** Whether the logs agree, as far as known. */
  get agrees(): boolean {
    return this.search === null;
  }

  /**
   * Seq of the first entry that is not the master's: 1 or more, and above the last entry when only
   * control records differ. 0 while it is searched, null when the logs agree.
   */
  get differsAt(): number | null {
    if (this.search === null) return null;
    return this.search.found === null ? 0 : this.parts.outline.seqAt(this.search.found - 1) + 1;
  }

  /** The checksums differ at `headIndex`. */
  becomeDiffering(now: number, headIndex: number, out: SecondaryEffect[]): void {
    this.search = new DivergenceSearch(headIndex);
    out.push(trace('error', 'log.differs', { headIndex }));
    this.proceed(now, out);
  }

  /** The own checksum at an index, from the store. */
  recordOurs(
    now: number,
    { index, checksum }: { readonly index: number; readonly checksum: number },
    out: SecondaryEffect[],
  ): void {
    this.search?.recordOurs(index, checksum);
    this.proceed(now, out);
  }

  /** The master's checksum, in its answer to a fetch; an answer without one changes nothing. */
  recordTheirs(now: number, { prevIndex, prevChecksum }: MessageOf<'entries'>, out: SecondaryEffect[]): void {
    if (prevChecksum === undefined) return;
    this.search?.recordTheirs(prevIndex, prevChecksum);
    this.proceed(now, out);
  }

  /**
   * The master does not have a record that was asked for. The answer does not name its question
   * and may be late, so it counts for what it says itself: after the parting point no record is
   * common.
   */
  recordDiverged(now: number, ends: MessageOf<'diverged'>, out: SecondaryEffect[]): void {
    this.search?.recordMissing(this.parts.outline.cutFor(ends) + 1);
    this.proceed(now, out);
  }

  /** Repeats a question that was not answered in time. */
  tick(now: number, out: SecondaryEffect[]): void {
    if (now >= this.nextQuestionAt) this.proceed(now, out);
  }

  /** Asks for the checksums that the search needs next, or reports what it has found. */
  private proceed(now: number, out: SecondaryEffect[]): void {
    if (this.search === null) return;
    const { outline, following, node } = this.parts;
    const { asking: index, found } = this.search;
    if (found !== null && !this.isReported) {
      this.isReported = true;
      const facts = { seq: this.differsAt, index: found, epoch: following.id.epoch };
      out.push(trace('error', 'log.difference-found', facts));
    }
    if (index === null) return;
    this.nextQuestionAt = now + this.retryMs;
    if (this.search.needsOurs) out.push({ do: 'lookUpChecksum', index });
    const range = {
      from: index + 1,
      lastEpoch: outline.epochAt(index) ?? 0,
      lastReign: outline.reignAt(index),
      limit: 1,
      withChecksum: true,
    } as const;
    out.push({ do: 'send', to: null, message: { type: 'fetch', ...following.id, node, ...range } });
  }
}

/**
 * This node's copy of the log: where a batch belongs in it, what of it is durable, and how far it is known to be committed.
 *
 * Of a batch that overlaps the end the known records are dropped and the rest is appended; one that lies beyond the end is kept in the reorder
 * buffer; one that contradicts what is here changes nothing.
 */
import { ChecksumTrail } from '#protocol/log/checksum-trail';
import type { GroupCommit } from '#protocol/log/group-commit';
import type { LogOutline } from '#protocol/log/outline';
import type { LogRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import type { Counters } from './counters';
import { type SecondaryEffect, trace } from './events';
import { ReorderBuffer } from './reorder-buffer';

type Batch = MessageOf<'entries'>;

export interface OwnLogParts {
  readonly outline: LogOutline;
  readonly groups: GroupCommit;
  readonly counters: Counters;
}

export class OwnLog {
  readonly buffer = new ReorderBuffer();
  private readonly trail: ChecksumTrail;
  private committed: number;

  /** @param start running checksum of the log's end, and the commit index as it was saved */
  constructor(
    private readonly parts: OwnLogParts,
    start: { readonly checksum: number; readonly commit: number },
  ) {
    const { lastIndex } = parts.outline;
    this.trail = new ChecksumTrail({ index: lastIndex, checksum: start.checksum });
    this.committed = Math.min(start.commit, lastIndex);
  }

  /** Index up to which the log is known to be committed, durable here or not; it never goes back. */
  get commitIndex(): number {
    return this.committed;
  }

  /** The part of it that is durable here: what may be saved. */
  get safeCommitIndex(): number {
    return Math.min(this.committed, this.parts.groups.durableIndex);
  }

  /** Seq of the last entry that readers see. */
  get applied(): number {
    const { outline, groups } = this.parts;
    return outline.seqAt(groups.durableIndex);
  }

  /** Seq of the last entry that readers see as committed. */
  get commit(): number {
    return this.parts.outline.seqAt(this.safeCommitIndex);
  }

  /** Running checksum at a durable index; null when it is not known any more. */
  checksumAt(index: number): number | null {
    return this.trail.at(index);
  }

  /** Is the batch the very next one? */
  isFollowedBy({ prevIndex, prevEpoch, prevReign }: Batch): boolean {
    const { lastIndex, lastEpoch, lastReign } = this.parts.outline;
    return prevIndex === lastIndex && prevEpoch === lastEpoch && prevReign === lastReign;
  }

  /** Appends what follows the log, buffers what is beyond it. Returns true when something was appended. */
  place(batch: Batch, out: SecondaryEffect[]): boolean {
    const { outline } = this.parts;
    if (batch.prevIndex > outline.lastIndex) {
      this.buffer.put(batch);
      return false;
    }
    let appended = this.append(batch, out);
    for (let next = this.buffer.take(outline.lastIndex); next !== null; next = this.buffer.take(outline.lastIndex)) {
      appended = this.append(next, out) || appended;
    }
    return appended;
  }

  /** The master says that everything up to `index` is committed. */
  recordCommit(index: number): void {
    this.committed = Math.max(this.committed, Math.min(index, this.parts.outline.lastIndex));
  }

  /** Hands the next group to the store, if it is ready for one. */
  flush(out: SecondaryEffect[]): void {
    const group = this.parts.groups.take();
    if (group !== null) out.push({ do: 'store', ...group });
  }

  /** The group under way is durable, with the log's running checksum at its end. False for a late completion. */
  recordStored(generation: number, checksum: number): boolean {
    const { groups } = this.parts;
    if (groups.stored(generation).length === 0) return false;
    this.trail.record(groups.durableIndex, checksum);
    return true;
  }

  /** A write failed: what is not durable is not in the log. */
  dropUnstored(): void {
    const { outline, groups } = this.parts;
    groups.dropAfter(groups.durableIndex);
    outline.truncateAfter(groups.durableIndex);
  }

  /** Forgets every record after `index`, durable or not. The caller has checked that none of them is committed. */
  truncateAfter(index: number): void {
    const { outline, groups } = this.parts;
    outline.truncateAfter(index);
    groups.dropAfter(index);
    this.trail.truncateAfter(index);
  }

  toString(): string {
    const { outline, groups } = this.parts;
    return `${outline} commit ${this.committed} ${groups} ${this.buffer}`;
  }

  private append({ prevIndex, prevEpoch, prevReign, records, commit }: Batch, out: SecondaryEffect[]): boolean {
    const { outline, groups, counters } = this.parts;
    const known = Math.min(outline.lastIndex - prevIndex, records.length);
    const fresh = records.slice(known);
    counters.duplicates += known;
    const [first] = fresh;
    const agrees =
      outline.has({ index: prevIndex, epoch: prevEpoch, reign: prevReign }) &&
      records.slice(0, known).every((record) => isThere(outline, record));
    const follows = first === undefined || outline.isFollowedBy(first);
    if (!agrees || !follows) {
      counters.misfits += 1;
      out.push(trace('warn', 'a batch contradicts the log', { prevIndex, log: `${outline}` }));
      return false;
    }
    for (const record of fresh) {
      outline.append(record);
      groups.add(record);
    }
    this.recordCommit(commit);
    return fresh.length > 0;
  }
}

/** Is this record here, as far as epochs say? An epoch begins with the record that names its reign. */
function isThere(outline: LogOutline, { index, epoch, control }: LogRecord): boolean {
  if (outline.epochAt(index) !== epoch) return false;
  return control?.control !== 'epoch' || outline.reignAt(index) === control.reign;
}

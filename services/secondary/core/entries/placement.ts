/**
 * Decides where a batch of records belongs in this node's log.
 *
 * Of a batch that overlaps the end, the known records are dropped and the rest is appended. A batch
 * beyond the end is kept in the reorder buffer, and so is every batch while the log is unchecked.
 * A batch that contradicts the log changes nothing.
 */
import type { OutlineView } from '#protocol/log/outline';
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { LogRecord } from '#protocol/record';
import { trace } from '#protocol/trace';
import type { MessageOf } from '#protocol/wire/messages';
import type { Counters } from '../counters';
import type { SecondaryEffect } from '../events';
import type { ReorderBuffer } from './reorder-buffer';

type Batch = MessageOf<'entries'>;

interface PlacementParts {
  readonly log: ReplicaLog;
  readonly counters: Pick<Counters, 'duplicates'>;
  readonly buffer: ReorderBuffer;
  /** Whether the log holds a record of the epoch followed at its end, so that it agrees already. */
  readonly isSynced: boolean;
}

/** Appends to the log that it is given. The fields change by the methods only. */
export class Placement {
  /** Whether the log was checked against the one of the epoch followed. */
  isSynced: boolean;
  /** Batches of the epoch followed that are beyond the end of the log. */
  readonly buffer: ReorderBuffer;
  private readonly log: ReplicaLog;
  private readonly counters: Pick<Counters, 'duplicates'>;

  constructor({ log, counters, buffer, isSynced }: PlacementParts) {
    this.log = log;
    this.counters = counters;
    this.buffer = buffer;
    this.isSynced = isSynced;
  }

  /** The log agrees with the master's: batches are appended from now on. */
  becomeSynced(): void {
    this.isSynced = true;
  }

  /** Another epoch is followed: batches of the former one are dropped. */
  becomeUnchecked(): void {
    this.isSynced = false;
    this.buffer.clear();
  }

  /** Appends what follows the log, and buffers the rest. @returns true when it has appended */
  place(batch: Batch, out: SecondaryEffect[]): boolean {
    const { outline } = this.log;
    if (!this.isSynced || batch.prevIndex > outline.lastIndex) {
      this.buffer.put(batch);
      return false;
    }
    let appended = this.append(batch, out);
    for (let next = this.buffer.take(outline.lastIndex); next !== null; next = this.buffer.take(outline.lastIndex)) {
      appended = this.append(next, out) || appended;
    }
    return appended;
  }

  private append({ prevIndex, prevEpoch, prevReign, records, commit }: Batch, out: SecondaryEffect[]): boolean {
    const { log, counters } = this;
    const { outline } = log;
    const known = Math.min(outline.lastIndex - prevIndex, records.length);
    const fresh = records.slice(known);
    counters.duplicates += known;
    const [first] = fresh;
    const agrees =
      outline.has({ index: prevIndex, epoch: prevEpoch, reign: prevReign }) &&
      records.slice(0, known).every((record) => isThere(outline, record));
    const follows = first === undefined || outline.isFollowedBy(first);
    if (!agrees || !follows) {
      out.push(trace('warn', 'entries.contradiction', { prevIndex, log: `${outline}` }));
      return false;
    }
    for (const record of fresh) log.append(record);
    log.recordCommit(commit);
    return fresh.length > 0;
  }
}

/** Whether the log has this record, by its epoch. The first record of an epoch names its reign. */
function isThere(outline: OutlineView, { index, epoch, control }: LogRecord): boolean {
  if (outline.epochAt(index) !== epoch) return false;
  return control?.control !== 'epoch' || outline.reignAt(index) === control.reign;
}

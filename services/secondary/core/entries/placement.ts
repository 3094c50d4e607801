/**
 * Decides where a batch of records belongs in this node's log.
 *
 * Of a batch that overlaps the end the known records are dropped and the rest is appended. A batch
 * beyond the end is kept in the reorder buffer. One that contradicts the log changes nothing.
 */
import type { OutlineView } from '#protocol/log/outline';
import type { ReplicaLog } from '#protocol/log/replica-log';
import type { LogRecord } from '#protocol/record';
import { trace } from '#protocol/trace';
import type { MessageOf } from '#protocol/wire/messages';
import type { Counters } from '../counters';
import type { SecondaryEffect } from '../events';
import { ReorderBuffer } from './reorder-buffer';

type Batch = MessageOf<'entries'>;

export class Placement {
  readonly buffer = new ReorderBuffer();

  constructor(
    private readonly log: ReplicaLog,
    private readonly counters: Counters,
  ) {}

  /** Appends what follows the log, buffers what is beyond it. @returns true when it has appended */
  place(batch: Batch, out: SecondaryEffect[]): boolean {
    const { outline } = this.log;
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
      counters.misfits += 1;
      out.push(trace('warn', 'a batch contradicts the log', { prevIndex, log: `${outline}` }));
      return false;
    }
    for (const record of fresh) log.append(record);
    log.recordCommit(commit);
    return fresh.length > 0;
  }
}

/** Is this record here, as far as epochs say? An epoch's first record names its reign. */
function isThere(outline: OutlineView, { index, epoch, control }: LogRecord): boolean {
  if (outline.epochAt(index) !== epoch) return false;
  return control?.control !== 'epoch' || outline.reignAt(index) === control.reign;
}

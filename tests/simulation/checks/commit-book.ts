/**
 * What some node has called committed, by the identity that it followed then: a force may give up
 * what another branch has committed. Throws when a node moves its commit index back, or calls
 * something else committed at a place (S6).
 */

import type { Identity } from '#protocol/identity';
import type { LogRecord } from '#protocol/record';
import { SecondaryView } from '#secondary/core/view';
import { isSame, placeOf } from '../model/records';
import type { Shown, SimProcess } from '../model/sim-process';
import { Violation } from './violation';

export class CommitBook {
  /** By log, then by index. */
  private readonly committed = new Map<Identity, LogRecord[]>();
  /**
   * Seq up to which each process has called the log committed, and in which log: what is still
   * being stored when it turns to a branch was committed before.
   */
  private readonly commitOf = new WeakMap<Shown, { seq: number; log: Identity | null }>();

  clear(): void {
    this.committed.clear();
  }

  /** What it knew before was said by a process before it. */
  started(machine: Shown): void {
    this.commitOf.set(machine, { seq: machine.commit, log: machine.outline.identity });
  }

  /** Null: nobody who follows this log has called it committed. */
  at(log: Identity | null, index: number): LogRecord | null {
    return this.committed.get(log ?? '')?.[index] ?? null;
  }

  /** The last one of an epoch before `epoch`. */
  lastBefore(log: Identity | null, epoch: number): LogRecord | null {
    const records = this.committed.get(log ?? '') ?? [];
    let last = records.length - 1;
    while ((records[last]?.epoch ?? 0) >= epoch) last -= 1;
    return records[last] ?? null;
  }

  /** @param compares false: no more than that commit does not move back */
  look(process: SimProcess, compares: boolean): void {
    const { shown, node } = process;
    const known = this.commitOf.get(shown) ?? { seq: 0, log: null };
    const { commit } = shown;
    if (!(shown instanceof SecondaryView) || shown.isSynced) known.log = shown.identity;
    this.commitOf.set(shown, known);
    if (commit === known.seq) return;
    if (commit < known.seq) throw new Violation('S6', `${node} moves commit back from ${known.seq} to ${commit}`);
    if (compares) this.record(process, known.seq, known.log ?? '');
    known.seq = commit;
  }

  private record({ shown, node, disk }: SimProcess, formerSeq: number, log: Identity): void {
    const { outline, commit } = shown;
    const records = this.committed.get(log) ?? [];
    this.committed.set(log, records);
    const from = formerSeq === 0 ? 1 : (outline.indexOf(formerSeq) ?? 0);
    const to = outline.indexOf(commit) ?? 0;
    for (let index = from; index <= to; index += 1) {
      const record = disk.platter[index - 1];
      if (record === undefined) throw new Violation('S6', `${node} commits what it does not have`);
      const other = records[index];
      if (other === undefined) records[index] = record;
      else if (!isSame(other, record))
        throw new Violation('S6', `${node} commits ${placeOf(record)} where ${placeOf(other)} is committed`);
    }
  }
}

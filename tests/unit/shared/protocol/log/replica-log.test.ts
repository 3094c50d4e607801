import fc from 'fast-check';
import { LogOutline } from '#protocol/log/outline';
import { type LogEffect, ReplicaLog } from '#protocol/log/replica-log';
import type { LogRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';

const SENDER = { epoch: 9, reign: 'r9', log: 'r1' };
const ASKED = { to: 'queue', sender: SENDER, store: 'disk' };

/** The record after `log`: an entry, or the control record that opens `epoch`. */
function next(log: readonly LogRecord[], epoch: number, size = 10): LogRecord {
  const last = log.at(-1) ?? { index: 0, epoch: 0, seq: 0 };
  const isOpening = epoch > last.epoch;
  const control = isOpening ? ({ control: 'epoch', reign: `r${epoch}`, node: 'm', store: 's' } as const) : null;
  const seq = isOpening ? last.seq : last.seq + 1;
  return { index: last.index + 1, epoch, seq, id: null, control, bytes: new Uint8Array(size) };
}

/** One record an epoch in `epochs`; the first of each opens it. */
function recordsOf(epochs: readonly number[]): LogRecord[] {
  const log: LogRecord[] = [];
  for (const epoch of epochs) log.push(next(log, epoch));
  return log;
}

/** A log whose records of these epochs are durable. */
function logOf(epochs: readonly number[], commit = 0): ReplicaLog {
  const outline = new LogOutline();
  for (const record of recordsOf(epochs)) outline.append(record);
  return new ReplicaLog({ outline, checksum: outline.lastIndex === 0 ? 0 : 7, commit });
}

/** Hands the next group to the store; its generation, −1 for none. */
function flush(log: ReplicaLog): number {
  const out: LogEffect[] = [];
  log.flush(out);
  const [effect] = out;
  return effect?.do === 'store' ? effect.generation : -1;
}

/** As one with another log answers: its epoch `endEpoch` ends at `endIndex`. */
function diverged(endEpoch: number, endIndex: number, log: string | null = 'r1'): MessageOf<'diverged'> {
  return { type: 'diverged', ...SENDER, log, endEpoch, endReign: `r${endEpoch}`, endIndex };
}

function fetch(from: number, lastEpoch: number, rest: Partial<MessageOf<'fetch'>> = {}): MessageOf<'fetch'> {
  const lastReign = lastEpoch === 0 ? '' : `r${lastEpoch}`;
  return { type: 'fetch', ...SENDER, node: 's1', from, lastEpoch, lastReign, limit: 3, ...rest };
}

describe('a start', () => {
  test('everything that the store holds is durable', () => {
    const log = logOf([1, 1, 1], 2);
    expect([log.outline.lastIndex, log.durableIndex, log.durableSeq]).toEqual([3, 3, 2]);
    expect([log.commitIndex, log.commitSeq, log.checksumAt(3)]).toEqual([2, 1, 7]);
    expect(log.isIdle).toBe(true);
  });

  test('a store that came back with fewer records than were committed has them all committed', () => {
    expect(logOf([1, 1], 9).commitIndex).toBe(2);
  });
});

describe('appending', () => {
  test('a record that does not follow throws, and says where the log ends', () => {
    const log = logOf([1, 1]);
    expect(() => log.append({ ...next(recordsOf([1, 1]), 1), index: 4 })).toThrow(
      'record (index 4, epoch 1, seq 2) does not follow (index 2, epoch 1, seq 1)',
    );
    expect(log.isIdle).toBe(true);
  });

  test('a record counts as durable when its group is stored, with the checksum there', () => {
    const log = logOf([1]);
    log.append(next(recordsOf([1]), 1));
    expect([log.durableIndex, log.pendingBytes, log.isIdle]).toEqual([1, 10, false]);
    expect(log.recordStored(flush(log), 42).map(({ index }) => index)).toEqual([2]);
    expect([log.durableIndex, log.pendingBytes, log.isIdle, log.checksumAt(2)]).toEqual([2, 0, true, 42]);
  });

  test('nothing is handed to the store while a group is under way', () => {
    const log = logOf([1]);
    const records = recordsOf([1, 1, 1]).slice(1);
    for (const record of records.slice(0, 1)) log.append(record);
    expect(flush(log)).toBe(0);
    log.appendUnit(records.slice(1));
    expect(flush(log)).toBe(-1);
  });

  test.each([
    ['its very end', 2, 1, 'r1', true],
    ['an index before it', 1, 1, 'r1', false],
    ['another epoch', 2, 2, 'r1', false],
    ['another reign of the epoch', 2, 1, 'other', false],
  ])('a batch that names %s', (_, prevIndex, prevEpoch, prevReign, isFollowed) => {
    const batch = { type: 'entries', prevIndex, prevEpoch, prevReign, commit: 0 } as const;
    expect(logOf([1, 1]).isFollowedBy(batch)).toBe(isFollowed);
  });
});

describe('a failed write', () => {
  test('takes back what is not durable, and a late completion says nothing about what comes after', () => {
    const log = logOf([1]);
    log.append(next(recordsOf([1]), 1));
    const failed = flush(log);
    log.dropUnstored();
    expect([log.outline.lastIndex, log.isIdle, log.isCurrent(failed)]).toEqual([1, true, false]);
    log.append(next(recordsOf([1]), 2));
    const later = flush(log);
    expect(log.recordStored(failed, 1)).toEqual([]);
    expect(log.checksumAt(2)).toBeNull();
    expect(log.recordStored(later, 2)).toHaveLength(1);
  });

  test('leaves the commit index as it was learned, and what may be saved of it at the durable end', () => {
    const log = logOf([1]);
    log.append(next(recordsOf([1]), 1));
    log.recordCommit(2);
    log.dropUnstored();
    expect([log.commitIndex, log.durableCommitIndex, log.commitSeq]).toEqual([2, 1, 0]);
  });
});

test('the commit index never falls, and stops at the end of the log', () => {
  const log = logOf([1, 1, 1]);
  expect(log.recordCommit(2)).toBe(true);
  expect(log.recordCommit(2)).toBe(false);
  expect(log.recordCommit(1)).toBe(false);
  expect(log.commitIndex).toBe(2);
  expect(log.recordCommit(9)).toBe(true);
  expect(log.commitIndex).toBe(3);
});

describe('a cut for another log', () => {
  test('keeps what both have, and tells the store and the readers', () => {
    const log = logOf([1, 1, 2, 2], 2);
    const out: LogEffect[] = [];
    const facts = { afterSeq: 1, lastSeq: 2, source: 's1' };
    expect(log.cutFor(diverged(1, 2), { source: 's1' }, out)).toEqual({ isRefused: false, facts });
    expect(out).toEqual([
      { do: 'trace', level: 'warn', event: 'log.truncated', facts },
      { do: 'truncate', index: 2 },
      { do: 'visible' },
    ]);
    expect([log.outline.lastIndex, log.durableIndex, log.checksumAt(4)]).toEqual([2, 2, null]);
  });

  test('that an operator has forced is called so', () => {
    const out: LogEffect[] = [];
    logOf([1, 1, 2]).cutFor(diverged(1, 2, 'r1/r8'), {}, out);
    expect(out[0]).toMatchObject({ event: 'log.truncated-to-branch' });
  });

  test('below the commit index is refused, and changes nothing', () => {
    const log = logOf([1, 1, 2, 2], 3);
    const out: LogEffect[] = [];
    expect(log.cutFor(diverged(1, 2), {}, out)?.isRefused).toBe(true);
    expect([out, log.outline.lastIndex]).toEqual([[], 4]);
  });

  test('waits for records that are not durable yet', () => {
    const log = logOf([1, 1, 2]);
    log.append(next(recordsOf([1, 1, 2]), 2));
    expect(log.cutFor(diverged(1, 2), {}, [])).toBeNull();
  });

  test('does nothing where the other log goes as far', () => {
    expect(logOf([1, 1]).cutFor(diverged(1, 5), {}, [])).toBeNull();
  });
});

describe('a fetch', () => {
  test('is answered up to what is durable', () => {
    const log = logOf([1, 1, 1], 2);
    log.append(next(recordsOf([1, 1, 1]), 1));
    const header = { type: 'entries', ...SENDER, prevIndex: 1, prevEpoch: 1, prevReign: 'r1', commit: 2 };
    const served = { do: 'serve', to: 'queue', node: 's1', header, lastIndex: 3, limit: 3, withChecksum: false };
    expect(log.answerFetch(fetch(2, 1), ASKED)).toEqual(served);
  });

  test('after a record that is not here is told where the logs part', () => {
    const message = { type: 'diverged', ...SENDER, endEpoch: 1, endReign: 'r1', endIndex: 2 };
    expect(logOf([1, 1, 4]).answerFetch(fetch(4, 3), ASKED)).toEqual({ do: 'send', to: 'queue', message });
  });

  const end = { store: 'disk', lastIndex: 3, lastEpoch: 2, lastReign: 'r2', lastLog: 'r1', lastSeq: 1 };

  test.each([
    ['this store and its end', end, true],
    ['an earlier end', { ...end, lastIndex: 1, lastEpoch: 1, lastReign: 'r1' }, true],
    ['another store', { ...end, store: 'former' }, false],
    ['records that this store does not have', { ...end, lastIndex: 4 }, false],
    ['another log', { ...end, lastLog: 'r5' }, false],
  ])('that means %s', (_, expects, isAnswered) => {
    expect(logOf([1, 1, 2]).answerFetch(fetch(2, 1, { expects }), ASKED) !== null).toBe(isAnswered);
  });

  test('that means a record which is not durable yet gets no answer', () => {
    const log = logOf([1, 1]);
    log.append(next(recordsOf([1, 1]), 2));
    expect(log.answerFetch(fetch(2, 1, { expects: end }), ASKED)).toBeNull();
  });
});

type Step =
  | { readonly do: 'append'; readonly epochs: number; readonly size: number }
  | { readonly do: 'unit'; readonly count: number }
  | { readonly do: 'flush' }
  | { readonly do: 'storeAll' }
  | { readonly do: 'dropUnstored' }
  | { readonly do: 'stored'; readonly late: boolean }
  | { readonly do: 'commit' | 'cut' | 'fetch'; readonly at: number; readonly epoch: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append' as const), epochs: fc.nat(2), size: fc.nat(50) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unit' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('stored' as const), late: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('storeAll' as const, 'dropUnstored' as const) }) },
  // Rare and low, so that there is something above it to cut.
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('commit' as const), at: fc.nat(5), epoch: fc.constant(0) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('cut' as const, 'fetch' as const),
      at: fc.nat(12),
      epoch: fc.nat(8),
    }),
  },
);

/** The log as an array of records, how many are durable, and how many are known committed. */
class Oracle {
  records: LogRecord[] = [];
  durable = 0;
  commit = 0;
  readonly checksums = new Map<number, number>([[0, 0]]);

  epochAt(index: number): number {
    return this.records[index - 1]?.epoch ?? 0;
  }

  /** The last record of the largest epoch that is not above `epoch`. */
  endOf(epoch: number): number {
    return this.records.filter((record) => record.epoch <= epoch).length;
  }

  cutAt(endEpoch: number, endIndex: number): number {
    const own = this.endOf(endEpoch);
    return this.epochAt(own) === endEpoch ? Math.min(own, endIndex) : own;
  }

  keep(index: number): void {
    this.records = this.records.slice(0, index);
    this.durable = Math.min(this.durable, index);
    for (const point of [...this.checksums.keys()]) if (point > index) this.checksums.delete(point);
  }
}

/** A log beside its oracle; each step is done to both, and what they answer is compared. */
class Pair {
  readonly oracle = new Oracle();
  private readonly log = logOf([]);
  private storing: { readonly generation: number; readonly count: number } | null = null;
  private late = -1;
  private stores = 0;

  do(step: Step): void {
    const { log, oracle } = this;
    if (step.do === 'append') this.append(step.epochs, step.size);
    else if (step.do === 'unit') this.appendUnit(step.count);
    else if (step.do === 'flush') this.flush();
    else if (step.do === 'stored') this.stored(step.late);
    else if (step.do === 'storeAll') this.storeAll();
    else if (step.do === 'dropUnstored') this.dropUnstored();
    else if (step.do === 'commit') {
      const known = Math.min(step.at, oracle.records.length);
      expect(log.recordCommit(step.at)).toBe(known > oracle.commit);
      oracle.commit = Math.max(oracle.commit, known);
    } else if (step.do === 'cut') this.cut(step.epoch, step.at);
    else this.fetch(step.at + 1, step.epoch);
  }

  check(): void {
    const { log, oracle } = this;
    const { records, durable, commit } = oracle;
    const last = records.at(-1);
    expect([log.outline.lastIndex, log.outline.lastEpoch, log.outline.lastSeq]).toEqual([
      records.length,
      last?.epoch ?? 0,
      last?.seq ?? 0,
    ]);
    expect([log.durableIndex, log.durableSeq]).toEqual([durable, records[durable - 1]?.seq ?? 0]);
    expect([log.commitIndex, log.durableCommitIndex]).toEqual([commit, Math.min(commit, durable)]);
    expect(log.isIdle).toBe(durable === records.length);
    expect(log.pendingBytes).toBe(records.slice(durable).reduce((sum, { bytes }) => sum + bytes.length, 0));
    for (let index = 0; index <= records.length + 1; index += 1)
      expect(log.checksumAt(index)).toBe(oracle.checksums.get(index) ?? null);
  }

  private append(epochs: number, size: number): void {
    const { records } = this.oracle;
    const record = next(records, Math.max(1, (records.at(-1)?.epoch ?? 0) + epochs), size);
    this.log.append(record);
    records.push(record);
  }

  private appendUnit(count: number): void {
    const { records } = this.oracle;
    const before = records.length;
    for (let at = 0; at < count; at += 1) records.push(next(records, Math.max(1, records.at(-1)?.epoch ?? 0)));
    this.log.appendUnit(records.slice(before));
  }

  private flush(): void {
    const { records, durable } = this.oracle;
    const out: LogEffect[] = [];
    this.log.flush(out);
    const [effect] = out;
    expect(effect === undefined).toBe(this.storing !== null || durable === records.length);
    if (effect?.do !== 'store') return;
    expect(effect.records).toEqual(records.slice(durable, durable + effect.records.length));
    this.storing = { generation: effect.generation, count: effect.records.length };
  }

  private dropUnstored(): void {
    this.log.dropUnstored();
    this.forgetAfter(this.oracle.durable);
  }

  /** Until the log is idle, which a cut asks for. */
  private storeAll(): void {
    while (this.oracle.durable < this.oracle.records.length) {
      this.flush();
      this.stored(false);
    }
  }

  private stored(isLate: boolean): void {
    const { log, oracle, storing } = this;
    if (isLate) return expect(log.recordStored(this.late, 1)).toEqual([]);
    if (storing === null) return;
    this.stores += 1;
    expect(log.recordStored(storing.generation, this.stores)).toHaveLength(storing.count);
    this.storing = null;
    oracle.durable += storing.count;
    oracle.checksums.set(oracle.durable, this.stores);
  }

  private cut(endEpoch: number, endIndex: number): void {
    const { log, oracle } = this;
    const index = oracle.cutAt(endEpoch, endIndex);
    const out: LogEffect[] = [];
    const cut = log.cutFor(diverged(endEpoch, endIndex), {}, out);
    const isWanted = oracle.durable === oracle.records.length && index < oracle.records.length;
    expect(cut?.isRefused ?? null).toBe(isWanted ? index < oracle.commit : null);
    expect(out.some((effect) => effect.do === 'truncate' && effect.index === index)).toBe(cut?.isRefused === false);
    if (cut?.isRefused === false) this.forgetAfter(index);
  }

  private fetch(from: number, epoch: number): void {
    const { log, oracle } = this;
    const answer = log.answerFetch(fetch(from, epoch), ASKED);
    const isThere = from - 1 <= oracle.records.length && oracle.epochAt(from - 1) === epoch;
    expect(answer?.do).toBe(isThere ? 'serve' : 'send');
    if (answer?.do === 'serve') expect(answer.lastIndex).toBe(oracle.durable);
    if (answer?.do !== 'send') return;
    const endIndex = oracle.endOf(epoch);
    expect(answer.message).toMatchObject({ type: 'diverged', endEpoch: oracle.epochAt(endIndex), endIndex });
  }

  private forgetAfter(index: number): void {
    this.oracle.keep(index);
    this.late = this.storing?.generation ?? this.late;
    this.storing = null;
  }
}

test('whatever is done to it, it answers as an array of records would, and keeps what is committed and durable', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pair = new Pair();
      for (const each of steps) {
        const { records, commit, durable } = pair.oracle;
        const kept = records.slice(0, Math.min(commit, durable));
        pair.do(each);
        pair.check();
        expect(pair.oracle.records.slice(0, kept.length)).toEqual(kept);
      }
    }),
    { numRuns: 300 },
  );
});

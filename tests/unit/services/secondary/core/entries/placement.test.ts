import { LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import { controlRecord, type LogRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import { noCounts } from '#secondary/core/counters';
import { Placement } from '#secondary/core/entries/placement';
import { ReorderBuffer } from '#secondary/core/entries/reorder-buffer';
import type { SecondaryEffect } from '#secondary/core/events';

/** Control records alone; `reign` opened their epoch. */
function record(index: number, epoch = 1, reign = `r${epoch}`): LogRecord {
  return controlRecord({ index, epoch, seq: 0 }, { control: 'epoch', reign, node: 'm', store: 's' });
}

function batch(prevIndex: number, records: readonly LogRecord[], rest: object = {}): MessageOf<'entries'> {
  const before = prevIndex === 0 ? { prevEpoch: 0, prevReign: '' } : { prevEpoch: 1, prevReign: 'r1' };
  const sender = { epoch: 1, reign: 'r1', log: 'r1' };
  return { type: 'entries', ...sender, prevIndex, ...before, commit: 0, records, ...rest };
}

/** Three records of epoch 1. */
function placementOfThree(isSynced = true) {
  const outline = new LogOutline();
  for (const index of [1, 2, 3]) outline.append(record(index));
  const log = new ReplicaLog({ outline, checksum: 0, commit: 0 });
  const counters = noCounts();
  const out: SecondaryEffect[] = [];
  return { log, counters, out, placement: new Placement({ log, counters, buffer: new ReorderBuffer(), isSynced }) };
}

test.each<
  [string, MessageOf<'entries'>, { appended: boolean; last: number; duplicates: number; contradicts: boolean }]
>([
  [
    'the next one is appended',
    batch(3, [record(4), record(5)]),
    { appended: true, last: 5, duplicates: 0, contradicts: false },
  ],
  [
    'of one that overlaps the end the rest is appended',
    batch(1, [record(2), record(3), record(4)]),
    { appended: true, last: 4, duplicates: 2, contradicts: false },
  ],
  [
    'a known one is dropped',
    batch(1, [record(2), record(3)]),
    { appended: false, last: 3, duplicates: 2, contradicts: false },
  ],
  [
    'one that follows another record changes nothing',
    batch(3, [record(4)], { prevReign: 'other' }),
    { appended: false, last: 3, duplicates: 0, contradicts: true },
  ],
  [
    'one with another record at a known index changes nothing',
    batch(1, [record(2), record(3, 2), record(4, 2)]),
    { appended: false, last: 3, duplicates: 2, contradicts: true },
  ],
  [
    'one whose known record was written by another reign changes nothing',
    batch(0, [record(1, 1, 'other'), record(2), record(3), record(4)]),
    { appended: false, last: 3, duplicates: 3, contradicts: true },
  ],
])('%s', (_, given, { appended, last, duplicates, contradicts }) => {
  const { log, counters, out, placement } = placementOfThree();
  expect(placement.place(given, out)).toBe(appended);
  expect(log.outline.lastIndex).toBe(last);
  expect(counters.duplicates).toBe(duplicates);
  expect(out).toHaveLength(contradicts ? 1 : 0);
});

test('one beyond the end waits in the buffer for what it follows', () => {
  const { log, out, placement } = placementOfThree();
  expect(placement.place(batch(4, [record(5)]), out)).toBe(false);
  expect([log.outline.lastIndex, placement.buffer.size]).toEqual([3, 1]);
  expect(placement.place(batch(3, [record(4)]), out)).toBe(true);
  expect([log.outline.lastIndex, placement.buffer.size]).toEqual([5, 0]);
});

test('the commit index is learned from a batch, as far as the log goes; not from one that contradicts', () => {
  const { log, out, placement } = placementOfThree();
  placement.place(batch(3, [record(4)], { prevReign: 'other', commit: 3 }), out);
  expect(log.commitIndex).toBe(0);
  placement.place(batch(3, [record(4)], { commit: 9 }), out);
  expect(log.commitIndex).toBe(4);
});

test('while the log is unchecked every batch is buffered, and another epoch drops what is buffered', () => {
  const { log, out, placement } = placementOfThree(false);
  expect(placement.place(batch(3, [record(4)]), out)).toBe(false);
  expect([log.outline.lastIndex, placement.buffer.size]).toEqual([3, 1]);
  placement.becomeSynced();
  expect(placement.place(batch(3, [record(4), record(5)]), out)).toBe(true);
  placement.place(batch(6, [record(7)]), out);
  placement.becomeUnchecked();
  expect([placement.isSynced, placement.buffer.size, log.outline.lastIndex]).toEqual([false, 0, 5]);
});

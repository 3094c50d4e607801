import { PendingIds } from '#master/core/leadership/pending-ids';
import { entryRecord, type LogRecord } from '#protocol/record';
import { ReignHarness } from '../reign-harness';

function recordOf(seq: number): LogRecord {
  return entryRecord(seq, { seq, epoch: 1, id: `id-${seq}`, ts: '', message: '' });
}

test('an id is known until its record is durable, or is dropped', () => {
  const pending = new PendingIds();
  for (const seq of [1, 2, 3]) pending.add(`id-${seq}`, recordOf(seq));
  pending.recordStored([recordOf(1), recordOf(7)]);
  expect(['id-1', 'id-2', 'id-3'].map((id) => pending.get(id)?.seq ?? null)).toEqual([null, 2, 3]);
  pending.clear();
  expect(['id-2', 'id-3'].map((id) => pending.get(id))).toEqual([null, null]);
});

test('a reign adds the ids that clients give, and none of the ids that it makes', () => {
  const harness = new ReignHarness([]);
  harness.begin();
  harness.append('text', 1, 'order-1');
  harness.append('text', 1);
  const made = harness.log.outline.lastSeq;
  expect(harness.pending.get('order-1')?.seq).toBe(1);
  expect(harness.pending.get(`${harness.reign.id.reign}-${made}`)).toBeNull();
});

import { PendingIds } from '#master/core/pending-ids';
import { entryRecord, type LogRecord } from '#protocol/record';
import { Throne } from './throne';

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
  const throne = new Throne([]);
  throne.begin();
  throne.append('text', 1, 'order-1');
  throne.append('text', 1);
  const made = throne.log.outline.lastSeq;
  expect(throne.pending.get('order-1')?.seq).toBe(1);
  expect(throne.pending.get(`${throne.reign.id.reign}-${made}`)).toBeNull();
});

import { IDENTITY_LENGTH_MAX } from '#protocol/identity';
import { entryRecord, type LogRecord } from '#protocol/record';
import { BATCH_HEADER_BYTES_MAX, fittingRecords, messageBytesOf } from '#protocol/wire/batch-size';
import { encodeWire } from '#protocol/wire/codec';

const MAX = Number.MAX_SAFE_INTEGER;
const WORST = {
  type: 'entries',
  epoch: MAX,
  reign: 'r'.repeat(64),
  log: 'l'.repeat(IDENTITY_LENGTH_MAX),
  prevIndex: MAX,
  prevEpoch: MAX,
  prevReign: 'p'.repeat(64),
  commit: MAX,
  prevChecksum: MAX,
} as const;

function records(...sizes: readonly number[]): LogRecord[] {
  return sizes.map((size, at) => {
    const entry = { seq: at + 1, epoch: 1, id: 'i', ts: '2026-01-01T00:00:00.000Z', message: 'x'.repeat(size) };
    return entryRecord(at + 1, entry);
  });
}

test('no batch is larger than it is said to be', () => {
  for (const batch of [records(), records(1), records(5, 100, 3)]) {
    const said = BATCH_HEADER_BYTES_MAX + batch.reduce((sum, { bytes }) => sum + bytes.length + 2, 0);
    expect(encodeWire({ ...WORST, records: batch }).length).toBeLessThanOrEqual(said);
  }
});

test('as many of the first records fit as the message has room for', () => {
  const batch = records(1000, 1000, 1000);
  const [first] = batch;
  const one = messageBytesOf(first?.bytes.length ?? 0);
  const each = one - BATCH_HEADER_BYTES_MAX;
  const counts = [one - 1, one, one + each - 1, one + each, one + 2 * each].map(
    (bytes) => fittingRecords(batch, bytes).length,
  );
  expect(counts).toEqual([0, 1, 1, 2, 3]);
});

import { TailCache } from '#storage/disk/tail-cache';
import { NO_LIMITS, RecordSource } from '#tests/contract/log-records';

test('the oldest are dropped past the bound, but none that is not on the disk', () => {
  const cache = new TailCache(1_000, 0);
  const source = new RecordSource();
  cache.add(source.entries(20));
  cache.evict(5);
  expect(cache.firstIndex).toBe(6);
  cache.evict(20);
  expect(cache.firstIndex).toBeGreaterThan(15);
  expect(cache.read(cache.firstIndex, NO_LIMITS).at(-1)?.index).toBe(20);
});

test('it answers the same however much was dropped and cut', () => {
  const cache = new TailCache(5_000, 0);
  const source = new RecordSource();
  for (let round = 0; round < 4_000; round += 1) {
    cache.add(source.entries(2));
    const kept = source.index - (round % 3);
    const last = cache.read(kept, { ...NO_LIMITS, maxRecords: 1 })[0] ?? null;
    expect(last?.index).toBe(kept);
    cache.truncateAfter(kept);
    source.backTo(last);
    cache.evict(kept);
    expect(cache.read(cache.firstIndex, NO_LIMITS).map(({ index }) => index)).toEqual(
      Array.from({ length: kept - cache.firstIndex + 1 }, (_, at) => cache.firstIndex + at),
    );
  }
  expect(cache.firstIndex).toBeGreaterThan(source.index - 20);
});

test('cut below what it holds, it holds nothing and goes on behind the cut', () => {
  const cache = new TailCache(0, 10);
  cache.truncateAfter(4);
  expect(cache.firstIndex).toBe(5);
});

import fc from 'fast-check';
import { GapRepair } from '#secondary/core/entries/gap-repair';

const TIMEOUT_MS = 200;
const HOLE = { hole: true, urgent: false };
const WHOLE = { hole: false, urgent: false };

/** The wait before the next fetch after one at `now`, with `random` at its middle. */
function waitAfterFetch(gap: GapRepair, now: number): number {
  gap.recordFetch(now, 0.5);
  for (let ms = 0; ms <= 10_000; ms += 1) if (gap.isDue(now + ms)) return ms;
  throw new Error('not due within 10 s');
}

test('without a hole nothing is ever due', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  expect(gap.observe(0, WHOLE)).toBe(false);
  gap.recordProgress(1, true);
  gap.endBackoff(2);
  expect(gap.isDue(1_000_000)).toBe(false);
});

test('a hole is given time to fill by itself', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  expect(gap.observe(1_000, HOLE)).toBe(true);
  expect(gap.observe(1_100, HOLE)).toBe(false);
  expect(gap.isDue(1_199)).toBe(false);
  expect(gap.isDue(1_200)).toBe(true);
});

test('one that cannot fill by itself is fetched at once', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(1_000, { hole: true, urgent: true });
  expect(gap.isDue(1_000)).toBe(true);
});

test('a hole that has filled is forgotten, and the next one opens anew', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(1_000, HOLE);
  gap.observe(1_150, WHOLE);
  expect(gap.isDue(5_000)).toBe(false);
  expect(gap.observe(6_000, HOLE)).toBe(true);
  expect(gap.isDue(6_199)).toBe(false);
});

test('progress by itself puts the first fetch off', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(1_000, HOLE);
  gap.recordProgress(1_190, false);
  expect(gap.isDue(1_389)).toBe(false);
  expect(gap.isDue(1_390)).toBe(true);
});

test('as a fetch is applied the next one goes out, at the pace of the one who needs it', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(1_000, HOLE);
  gap.recordFetch(1_200, 0.5);
  expect(gap.isDue(1_203)).toBe(false);
  gap.recordProgress(1_203, true);
  expect(gap.isDue(1_203)).toBe(true);
});

test('an answer that does not come is asked for again and again, with capped backoff', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(0, HOLE);
  const waits: number[] = [];
  for (let now = 200, attempt = 0; attempt < 30; attempt += 1) {
    const wait = waitAfterFetch(gap, now);
    waits.push(wait);
    now += wait;
  }
  expect(waits.slice(0, 4)).toEqual([300, 600, 1_200, 2_400]);
  expect(new Set(waits.slice(4))).toEqual(new Set([3_750]));
});

test('the backoff begins anew after progress', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(0, HOLE);
  for (const now of [200, 700, 1_500, 3_000]) gap.recordFetch(now, 0.5);
  gap.recordProgress(3_100, true);
  expect(waitAfterFetch(gap, 3_100)).toBe(300);
});

test('a backoff is not waited out once the one who is asked is heard again', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(0, HOLE);
  for (const now of [200, 700, 1_500]) gap.recordFetch(now, 0.5);
  expect(gap.isDue(1_600)).toBe(false);
  gap.endBackoff(1_600);
  expect(gap.isDue(1_600)).toBe(true);
});

test('to end a backoff does not put off a fetch that is due', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(0, HOLE);
  gap.recordFetch(200, 0.5);
  gap.recordFetch(500, 0.5);
  gap.endBackoff(5_000);
  expect(gap.isDue(5_000)).toBe(true);
});

test('as long as there is a hole a fetch comes due within the cap, whatever happens', () => {
  const step = fc.record({
    afterMs: fc.nat(3_000),
    what: fc.constantFrom('observe', 'progress', 'fetched', 'endBackoff', 'fetch'),
    random: fc.double({ min: 0, max: 0.999, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const gap = new GapRepair(TIMEOUT_MS);
      let now = 0;
      gap.observe(now, HOLE);
      for (const { afterMs, what, random } of steps) {
        now += afterMs;
        if (what === 'observe') gap.observe(now, HOLE);
        if (what === 'progress') gap.recordProgress(now, false);
        if (what === 'fetched') gap.recordProgress(now, true);
        if (what === 'endBackoff') gap.endBackoff(now);
        if (what === 'fetch' && gap.isDue(now)) gap.recordFetch(now, random);
        expect(gap.isDue(now + 5_000)).toBe(true);
      }
    }),
  );
});

test('what could not be stored is not asked for before the store is tried again', () => {
  const gap = new GapRepair(TIMEOUT_MS);
  gap.observe(1_000, HOLE);
  gap.recordProgress(1_100, true);
  gap.postpone(3_000);
  gap.observe(1_200, HOLE);
  gap.recordProgress(1_300, false);
  expect(gap.isDue(2_999)).toBe(false);
  expect(gap.isDue(3_000)).toBe(true);
});

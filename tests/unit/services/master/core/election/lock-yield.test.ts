import fc from 'fast-check';
import { type LockWait, LockYieldTimer } from '#master/core/election/lock-yield';

const STUCK: LockWait = { progress: 1, isShortOfNodes: false, random: 0.999 };
const STEP_MS = 100;

/** Milliseconds from `start` until it ends, when nothing changes; null: not within a minute. */
function endAfter(timer: LockYieldTimer, start: number, waiting: LockWait): number | null {
  for (let ms = 0; ms <= 60_000; ms += STEP_MS) if (timer.hasEnded(start + ms, waiting)) return ms;
  return null;
}

test('without anything to wait for it never ends', () => {
  expect(endAfter(new LockYieldTimer(), 0, { ...STUCK, progress: null })).toBeNull();
});

test('while another master could not do better it never ends', () => {
  expect(endAfter(new LockYieldTimer(), 0, { ...STUCK, isShortOfNodes: true })).toBeNull();
});

test('it ends after five seconds without progress, and after twice as long each next time, up to twenty', () => {
  const timer = new LockYieldTimer();
  const waits: (number | null)[] = [];
  for (let now = 0; waits.length < 5; now += 60_000) waits.push(endAfter(timer, now, STUCK));
  expect(waits).toEqual([5_000, 10_000, 20_000, 20_000, 20_000]);
});

test('the draw takes up to half of the wait away, so that two masters do not stay in step', () => {
  expect(endAfter(new LockYieldTimer(), 0, { ...STUCK, random: 0 })).toBe(2_500);
});

test.each<[what: string, between: LockWait]>([
  ['progress', { ...STUCK, progress: 2 }],
  ['a time in which it was alone', { ...STUCK, isShortOfNodes: true }],
  ['a time in which nothing was waited for', { ...STUCK, progress: null }],
])('%s starts the wait anew', (_, between) => {
  const timer = new LockYieldTimer();
  expect(timer.hasEnded(0, STUCK)).toBe(false);
  expect(timer.hasEnded(4_900, between)).toBe(false);
  const waiting = { ...STUCK, progress: between.progress ?? 1 };
  expect(endAfter(timer, 5_000, waiting)).toBeGreaterThanOrEqual(4_900);
});

test('a lock that is gone anyway is not waited for', () => {
  const timer = new LockYieldTimer();
  timer.hasEnded(0, STUCK);
  timer.restart();
  expect(timer.hasEnded(5_000, STUCK)).toBe(false);
  expect(timer.hasEnded(10_000, STUCK)).toBe(true);
});

test('something that comes of waiting makes the next wait a short one again', () => {
  const timer = new LockYieldTimer();
  for (const now of [0, 60_000]) endAfter(timer, now, STUCK);
  timer.hasEnded(120_000, { ...STUCK, progress: null });
  expect(endAfter(timer, 180_000, STUCK)).toBe(5_000);
});

test('whoever gets on at least every two seconds keeps the lock', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2_000), { maxLength: 60 }), (waits) => {
      const timer = new LockYieldTimer();
      let now = 0;
      for (const [progress, wait] of waits.entries()) {
        expect(timer.hasEnded(now, { ...STUCK, progress, random: 0 })).toBe(false);
        now += wait;
        expect(timer.hasEnded(now, { ...STUCK, progress, random: 0 })).toBe(false);
      }
    }),
  );
});

import fc from 'fast-check';
import { retryDelayMs } from '#protocol/retry-policy';

const POLICY = { delayMsMin: 100, delayMsMax: 5_000 };

test('the bound doubles with every failure until the cap', () => {
  const bounds = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => retryDelayMs(POLICY, attempt, 1));
  expect(bounds).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
});

test('the first wait is spread over the upper half of its bound', () => {
  expect(retryDelayMs(POLICY, 1, 0)).toBe(50);
  expect(retryDelayMs(POLICY, 1, 0.5)).toBe(75);
});

test('no attempt is the last: after a million failures it still waits no longer than the cap', () => {
  expect(retryDelayMs(POLICY, 1_000_000, 0.999)).toBeLessThanOrEqual(5_000);
  expect(retryDelayMs(POLICY, 1_000_000, 0)).toBe(2_500);
});

test('an attempt below 1 waits as the first', () => {
  expect(retryDelayMs(POLICY, 0, 0)).toBe(50);
});

test('a wait is a whole number between half of its bound and the bound, and grows with the random number', () => {
  const policy = fc.tuple(fc.integer({ min: 1, max: 1_000 }), fc.nat(100_000));
  const random = fc.double({ min: 0, max: 0.999_999, noNaN: true });
  fc.assert(
    fc.property(policy, fc.integer({ min: 1, max: 2_000 }), random, random, ([min, more], attempt, a, b) => {
      const bounds = { delayMsMin: min, delayMsMax: min + more };
      const bound = Math.min(bounds.delayMsMax, min * 2 ** Math.min(attempt - 1, 1_000));
      const waits = [Math.min(a, b), Math.max(a, b)].map((random) => retryDelayMs(bounds, attempt, random));
      for (const wait of waits) {
        expect(Number.isSafeInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(bound / 2));
        expect(wait).toBeLessThanOrEqual(bound);
      }
      expect(waits).toEqual([...waits].sort((x, y) => x - y));
    }),
  );
});

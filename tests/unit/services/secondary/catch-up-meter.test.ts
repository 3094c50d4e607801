import { CatchUpMeter } from '#secondary/catch-up-meter';

function meterOf(...samples: [at: number, applied: number][]): CatchUpMeter {
  const meter = new CatchUpMeter();
  for (const [at, applied] of samples) meter.sample(at, applied);
  return meter;
}

test('the pace is unknown before there are two samples', () => {
  const unknown = { remaining: 10, perSecond: null, secondsLeft: null };
  expect(meterOf().read(10)).toEqual(unknown);
  expect(meterOf([1_000, 5]).read(10)).toEqual(unknown);
});

test('the pace is entries a second, and what is left follows from it', () => {
  expect(meterOf([0, 0], [500, 500], [1_000, 2_000]).read(3_000)).toEqual({
    remaining: 3_000,
    perSecond: 2_000,
    secondsLeft: 2,
  });
});

test('a started second counts as a whole one', () => {
  expect(meterOf([0, 0], [1_000, 1_000]).read(1_001).secondsLeft).toBe(2);
});

test('while nothing moves nobody knows how long it takes', () => {
  expect(meterOf([0, 7], [1_000, 7]).read(10)).toEqual({ remaining: 10, perSecond: 0, secondsLeft: null });
});

test('a log that was cut has no negative pace', () => {
  expect(meterOf([0, 700], [1_000, 600]).read(10).perSecond).toBe(0);
});

test('samples in quick succession count as one', () => {
  const meter = meterOf([0, 0], [199, 1_000]);
  expect(meter.read(10).perSecond).toBeNull();
  meter.sample(200, 1_000);
  expect(meter.read(10).perSecond).toBe(5_000);
});

test('what is more than some seconds ago no longer counts', () => {
  const meter = new CatchUpMeter();
  for (let at = 0; at <= 20_000; at += 200) meter.sample(at, at < 10_000 ? at * 10 : 100_000 + (at - 10_000));
  expect(meter.read(100).perSecond).toBe(1_000);
});

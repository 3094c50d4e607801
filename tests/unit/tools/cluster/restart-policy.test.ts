import { afterEnd, describeEnd } from '#tools/cluster/restart-policy';

const crash = { code: null, signal: 'SIGKILL', uptimeMs: 5_000, crashes: 0 };

describe('a node that ended', () => {
  it('because it was told to stays down', () => {
    expect(afterEnd({ ...crash, code: 0, signal: null })).toEqual({ next: 'stays-down' });
  });

  it.each([78, 69])('with exit code %i would end the same way again', (code) => {
    expect(afterEnd({ ...crash, code, signal: null })).toEqual({ next: 'hopeless' });
  });

  it.each([
    ['exit code 70', { code: 70, signal: null }],
    ['exit code 1', { code: 1, signal: null }],
    ['killed by SIGKILL', { code: null, signal: 'SIGKILL' }],
  ])('with %s is started again after 10 s', (words, how) => {
    expect(afterEnd({ ...crash, ...how })).toEqual({ next: 'restart', delayMs: 10_000, crashes: 1 });
    expect(describeEnd(how)).toBe(words);
  });

  it('again and again waits longer, up to a minute', () => {
    const delays = [0, 1, 2, 3, 9].map((crashes) => afterEnd({ ...crash, crashes }));
    expect(delays.map((after) => after.next === 'restart' && after.delayMs)).toEqual([
      10_000, 20_000, 40_000, 60_000, 60_000,
    ]);
  });

  it('after a minute of running is a first crash again', () => {
    expect(afterEnd({ ...crash, uptimeMs: 60_000, crashes: 5 })).toMatchObject({ delayMs: 10_000, crashes: 1 });
  });
});

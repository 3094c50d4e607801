import { restartDelayMs } from '#tools/cluster/node';

it('a node that crashes again and again is started again later each time, up to a minute', () => {
  expect([1, 2, 3, 4, 10].map(restartDelayMs)).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
});

import { measurementOf, type Sample, worstOf } from '#bench/rows/soak';

/** A minute each. */
function samplesOf(...p99s: readonly number[]): Sample[] {
  return p99s.map((p99, at) => {
    return { from: at, to: at + 1, minute: at + 1, p50: 1, p99, memoryMib: 100 + at, machine: '' };
  });
}

describe('the soak', () => {
  it('names the worst minute, and is judged by its p99 in medians of the p99s', () => {
    const samples = samplesOf(10, 12, 90, 11, 9);
    expect(worstOf(samples).minute).toBe(3);
    const { rows } = measurementOf(samples, ['load'], ['what happened']);
    const row = rows.find(({ id }) => id === 'soak-p99');
    expect(row).toMatchObject({ value: 8.18, floor: 10, goal: 5, lessIsBetter: true });
    expect(row?.notes).toEqual([
      'the worst ended at minute 3: p99 90 ms; the median of the p99s is 11 ms',
      'load',
      'what happened',
    ]);
  });

  it('plots the p99 of each minute, and where floor and goal lie', () => {
    const { series = [] } = measurementOf(samplesOf(10, 12, 90, 11, 9), [], []);
    const pointsOf = (name: string) => series.find(({ title }) => title.endsWith(name))?.points.map(({ y }) => y);
    expect(pointsOf('p99 of each minute')).toEqual([10, 12, 90, 11, 9]);
    expect(pointsOf('floor, 10 medians')).toEqual([110, 110, 110, 110, 110]);
    expect(pointsOf('goal, 5 medians')).toEqual([55, 55, 55, 55, 55]);
  });

  it('leaves the first fifth out of the memory', () => {
    const samples = samplesOf(1, 1, 1, 1, 1).map((sample, at) => ({ ...sample, memoryMib: at === 0 ? 900 : 100 + at }));
    expect(measurementOf(samples, [], []).rows[0]).toMatchObject({ id: 'soak', value: 104 });
  });
});

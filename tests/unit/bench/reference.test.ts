import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { referenceOf } from '#bench/reference';
import { cpuOf, withBaseline } from '#bench/report/baselines';
import { describeMachine, movedCpu, movedRatios, type Run } from '#bench/report/report';
import type { RowResult } from '#bench/row';

function row(ratio: number, id = 'single'): RowResult {
  return { id, title: id, value: 1_000 * ratio, unit: 'entries/s', ratio, floor: 0, goal: 1 };
}

function runOf(machine: string, ...rows: readonly RowResult[]): Run {
  return { at: '2026-01-01T00:00:00.000Z', isQuick: true, machine, broker: '', load: [0, 1], rows, series: [] };
}

const HERE = describeMachine();
const ELSEWHERE = '64 × Another CPU @ 2.20GHz, 24 GiB, Node 20.20.2, linux';

describe('what the ratios are compared with', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rlog-reference-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const saved = (content: unknown) => {
    const path = join(folder, 'saved.json');
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  /** No checkout. */
  const folders = () => ({ root: folder, scratch: folder });
  const say = () => undefined;

  it('is the baseline of this CPU, where several are saved', async () => {
    const [ours, other] = [runOf(HERE, row(0.5)), runOf(ELSEWHERE, row(0.9))];
    const baseline = saved({ [cpuOf(ELSEWHERE)]: other, [cpuOf(HERE)]: ours });
    const what = `Compared with the baseline of ${cpuOf(HERE)}, 2026-01-01.`;
    expect(await referenceOf({ compare: null, baseline }, folders(), say)).toEqual({ kind: 'run', run: ours, what });
  });

  it('is nothing, and says why, where this CPU has no baseline and there is no former build', async () => {
    const baseline = saved({ [cpuOf(ELSEWHERE)]: runOf(ELSEWHERE, row(0.9)) });
    const { kind, what } = await referenceOf({ compare: null, baseline }, folders(), say);
    expect(kind).toBe('none');
    expect(what).toMatch(`NOT COMPARED with anything: there is no baseline of ${cpuOf(HERE)}, and no former build: `);
  });

  it('is the saved run that was named', async () => {
    const run = runOf(ELSEWHERE, row(0.9));
    expect(await referenceOf({ compare: saved(run), baseline: null }, folders(), say)).toMatchObject({
      kind: 'run',
      run,
    });
  });
});

describe('a baseline', () => {
  it('has the medians of several runs, and leaves those of other CPUs alone', () => {
    const others = { [cpuOf(ELSEWHERE)]: runOf(ELSEWHERE, row(0.9)) };
    const runs = [0.4, 0.6, 0.5].map((ratio) => runOf(HERE, row(ratio)));
    const baselines = withBaseline(others, runs);
    expect(Object.keys(baselines)).toEqual([cpuOf(ELSEWHERE), cpuOf(HERE)]);
    expect(baselines[cpuOf(HERE)]?.rows).toMatchObject([
      { ratio: 0.5, value: 500, notes: ['ratios of the runs: 0.4, 0.6, 0.5', expect.any(String)] },
    ]);
  });

  it('is refused from runs of several CPUs', () => {
    expect(() => withBaseline({}, [runOf(HERE), runOf(ELSEWHERE)])).toThrow('the runs are of several CPUs');
  });
});

describe('a ratio has fallen', () => {
  it.each([
    [0.6, 0.41, []],
    [0.6, 0.39, [true]],
    [0.6, 0.79, []],
    [0.6, 0.81, [false]],
  ])('from %d to %d: %j', (before, now, fell) => {
    const moved = movedRatios([row(now)], [row(before)], 1 / 3);
    expect(moved.map((each) => each.fell)).toEqual(fell);
  });
});

describe('the CPU time of an entry has moved', () => {
  it.each([
    [100, 149, []],
    [100, 151, [true]],
    [100, 76, []],
    [100, 74, [false]],
  ])('from %d to %d µs: %j', (before, now, fell) => {
    const moved = movedCpu([{ ...row(1), cpuMicros: now }], [{ ...row(1), cpuMicros: before }], 1 / 3);
    expect(moved.map((each) => each.fell)).toEqual(fell);
  });

  it('cannot be said of a run without it', () => {
    expect(movedCpu([{ ...row(1), cpuMicros: 900 }], [row(1)], 1 / 3)).toEqual([]);
  });
});

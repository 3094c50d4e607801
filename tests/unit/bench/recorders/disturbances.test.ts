import { pausesIn, sharesBetween } from '#bench/recorders/disturbances';

const second = (at: number, gcMsMax: number, syncMsMax: number) =>
  `${JSON.stringify({ at, gcMs: 2 * gcMsMax, gcMsMax, syncs: 3, syncMsMax })}\n`;

describe('the pauses of a node', () => {
  it('are the longest of the seconds in question', () => {
    const lines = [second(1_000, 90, 90), second(2_000, 4, 1), second(3_000, 5, 30), second(9_000, 99, 99)].join('');
    expect(pausesIn(lines, { from: 1_000, to: 3_000 })).toBe('GC 18 ms, the longest 5; 6 writes, the longest 30 ms');
  });

  it('are told from whole lines only, since a node may be killed while it writes', () => {
    const cut = `${second(2_000, 4, 1)}{"at":2500,"gc`;
    expect(pausesIn(cut, { from: 1_000, to: 3_000 })).toBe('GC 8 ms, the longest 4; 3 writes, the longest 1 ms');
    expect(pausesIn('', { from: 1_000, to: 3_000 })).toBe('GC 0 ms, the longest 0; 0 writes, the longest 0 ms');
  });
});

test('CPU time is told in shares of what passed in between', () => {
  const before = { all: 1_000, idle: 500, waitsForDisk: 100, stolen: 10 };
  const after = { all: 1_200, idle: 540, waitsForDisk: 110, stolen: 40 };
  expect(sharesBetween(before, after)).toBe('60 % busy, 15 % stolen, 5 % waiting for the disk');
});

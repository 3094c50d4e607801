import { CatchUpPace } from '#master/catch-up-pace';

function paceAfter(isBehind: boolean): CatchUpPace {
  const pace = new CatchUpPace();
  pace.recordAnswered('s1', { at: 1_000, lastIndex: 500, isBehind });
  return pace;
}

test('beside appends the next answer waits three times as long as the last one took, and no longer than its bound', () => {
  const pace = paceAfter(true);
  expect(pace.pauseMs('s1', 1_012, 501)).toBe(36);
  expect(pace.pauseMs('s1', 9_000, 501)).toBe(50);
});

test.each([
  ['the first one', 's2', true, 501],
  ['one that nobody appends beside', 's1', true, 500],
  ['one of a member that lacked only what it got', 's1', false, 501],
])('%s waits for nothing', (_, node, isBehind, lastIndex) => {
  expect(paceAfter(isBehind).pauseMs(node, 1_012, lastIndex)).toBe(0);
});

test('of members that are gone nothing is kept', () => {
  const pace = paceAfter(true);
  pace.keep(['s2']);
  expect(pace.pauseMs('s1', 1_012, 501)).toBe(0);
});

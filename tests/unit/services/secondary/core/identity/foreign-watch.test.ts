import { ForeignWatch, type Met } from '#secondary/core/identity/foreign-watch';

const met = (node: string, log: string | null): Met => ({ node, log });

test.each<[what: string, before: Met | null, now: Met, isNews: boolean]>([
  ['the first one', null, met('m1', 'r9'), true],
  ['the same again', met('m1', 'r9'), met('m1', 'r9'), false],
  ['one of another log', met('m1', 'r9'), met('m1', 'r8'), true],
  ['one who does not say which log any more', met('m1', 'r9'), met('m1', null), true],
  ['another master of that log', met('m1', 'r9'), met('m2', 'r9'), true],
])('%s: %j, then %j is news: %s', (_, before, now, isNews) => {
  const watch = new ForeignWatch();
  if (before !== null) watch.meet(before);
  expect(watch.meet(now)).toBe(isNews);
  expect(watch.master).toEqual(now);
});

test('after its own master was heard the same one is news again', () => {
  const watch = new ForeignWatch();
  watch.meet(met('m1', 'r9'));
  watch.returnHome();
  expect(watch.master).toBeNull();
  expect(watch.meet(met('m1', 'r9'))).toBe(true);
});

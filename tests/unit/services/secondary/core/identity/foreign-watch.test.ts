import { type ForeignMaster, ForeignWatch } from '#secondary/core/identity/foreign-watch';

const master = (node: string, log: string | null): ForeignMaster => ({ node, log });

test.each<[what: string, before: ForeignMaster | null, now: ForeignMaster, isNews: boolean]>([
  ['the first one', null, master('m1', 'r9'), true],
  ['the same again', master('m1', 'r9'), master('m1', 'r9'), false],
  ['one of another log', master('m1', 'r9'), master('m1', 'r8'), true],
  ['one who does not say which log any more', master('m1', 'r9'), master('m1', null), true],
  ['another master of that log', master('m1', 'r9'), master('m2', 'r9'), true],
])('%s: %j, then %j is news: %s', (_, before, now, isNews) => {
  const watch = new ForeignWatch();
  if (before !== null) watch.record(before);
  expect(watch.record(now)).toBe(isNews);
  expect(watch.master).toEqual(now);
});

test('after its own master was heard the same one is news again', () => {
  const watch = new ForeignWatch();
  watch.record(master('m1', 'r9'));
  watch.clear();
  expect(watch.master).toBeNull();
  expect(watch.record(master('m1', 'r9'))).toBe(true);
});

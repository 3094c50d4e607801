import type { MessageOf } from '#protocol/wire/messages';
import { MasterWatch } from '#secondary/core/voting/master-watch';

function announce(head: number, said: Partial<MessageOf<'announce'>> = {}): MessageOf<'announce'> {
  const place = { node: 'master', headIndex: head + 2, head, commit: 0, removed: [], httpUrl: 'http://m' };
  return { type: 'announce', epoch: 1, reign: 'r1', log: 'r1', ...place, ...said };
}

test('before a master is heard nothing is known of one', () => {
  const watch = new MasterWatch(500);
  const { isKnown, isReached, head, headIndex, httpUrl } = watch;
  expect({ isKnown, isReached, head, headIndex, httpUrl }).toEqual({
    isKnown: false,
    isReached: false,
    head: 0,
    headIndex: 0,
    httpUrl: null,
  });
  expect(watch.isSilent(0)).toBe(true);
});

test('the newest announcement counts', () => {
  const watch = new MasterWatch(500);
  watch.record(100, announce(5));
  watch.record(400, announce(7, { httpUrl: 'http://other' }));
  expect([watch.head, watch.headIndex, watch.httpUrl]).toEqual([7, 9, 'http://other']);
  expect([400, 1_900, 1_901].map((now) => watch.isSilent(now))).toEqual([false, false, true]);
});

describe('a node is ready', () => {
  test('when it has applied what the first announcement named, not what came after', () => {
    const watch = new MasterWatch(500);
    watch.record(0, announce(5));
    watch.record(10, announce(50));
    expect([4, 5, 6].map((applied) => watch.reaches(applied))).toEqual([false, true, false]);
    expect(watch.isReached).toBe(true);
  });

  test('never before a master was heard', () => {
    expect(new MasterWatch(500).reaches(1_000)).toBe(false);
  });

  test('also when it falls behind later on, or another epoch is followed', () => {
    const watch = new MasterWatch(500);
    watch.record(0, announce(5));
    watch.reaches(5);
    watch.forget();
    watch.record(10, announce(500));
    expect([watch.isReached, watch.reaches(5)]).toEqual([true, false]);
  });

  test('for the head of the epoch that is followed, not for one that is over', () => {
    const watch = new MasterWatch(500);
    watch.record(0, announce(50));
    watch.forget();
    expect(watch.reaches(50)).toBe(false);
    watch.record(10, announce(3));
    expect(watch.reaches(3)).toBe(true);
  });

  test('anew after each connection', () => {
    const watch = new MasterWatch(500);
    watch.record(0, announce(5));
    watch.reaches(5);
    watch.disconnect();
    expect([watch.isReached, watch.isKnown, watch.reaches(5)]).toEqual([false, false, false]);
    watch.record(10, announce(9));
    expect([watch.reaches(5), watch.reaches(9)]).toEqual([false, true]);
  });
});

test('who is removed is what the master said last, and is remembered while none is heard', () => {
  const watch = new MasterWatch(500);
  watch.record(0, announce(5, { removed: ['s1'] }));
  watch.disconnect();
  expect([watch.hasRemoved('s1'), watch.hasRemoved('s2')]).toEqual([true, false]);
  watch.record(10, announce(5));
  expect(watch.hasRemoved('s1')).toBe(false);
});

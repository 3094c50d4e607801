import fc from 'fast-check';
import { Deliveries } from '#secondary/core/entries/deliveries';
import type { SecondaryEffect, Tag } from '#secondary/core/events';

/** With it a wait is as long as its bound allows. */
const LONGEST = 0.999_999;

const from = (tag: Tag, fail = false) => ({ tag, fail });

/** What the broker is told, in order. */
function told(act: (out: SecondaryEffect[]) => unknown): string[] {
  const out: SecondaryEffect[] = [];
  act(out);
  return out.map((effect) => ('tag' in effect ? `${effect.do} ${effect.tag}` : effect.do));
}

/** How long one that failed once more has to wait. */
function waitOf(act: (out: SecondaryEffect[]) => unknown): number | null {
  const out: SecondaryEffect[] = [];
  act(out);
  const [effect] = out;
  return effect?.do === 'requeue' ? effect.afterMs : null;
}

test('a delivery is settled once all of its records are durable, not before', () => {
  const deliveries = new Deliveries();
  deliveries.recordAppended(from(1), 3);
  deliveries.recordAppended(from(2), 5);
  expect(told((out) => deliveries.settleStored(2, 0, out))).toEqual([]);
  expect(told((out) => deliveries.settleStored(4, 0, out))).toEqual(['settle 1']);
  expect(told((out) => deliveries.settleStored(5, 0, out))).toEqual(['settle 2']);
  expect(told((out) => deliveries.settleStored(9, 0, out))).toEqual([]);
});

test.each<[what: string, tag: Tag, fail: boolean, told: string[], isSettled: boolean]>([
  ['is settled at once', 1, false, ['settle 1'], true],
  ['is given back when an injected error strikes', 1, true, ['requeue 1'], false],
  ['needs nothing when it came in answer to a fetch', null, false, [], false],
])('one that taught nothing %s', (_, tag, fail, expected, isSettled) => {
  const deliveries = new Deliveries();
  let result: boolean | null = null;
  const done = told((out) => {
    result = deliveries.settleKnown(from(tag, fail), out);
  });
  expect(done).toEqual(expected);
  expect(result).toBe(isSettled);
});

test('an injected error between append and ack gives that one back, and settles the others', () => {
  const deliveries = new Deliveries();
  deliveries.recordAppended(from(1), 1);
  deliveries.recordAppended(from(2, true), 2);
  deliveries.recordAppended(from(3), 3);
  let failed = false;
  const done = told((out) => {
    failed = deliveries.settleStored(3, 0, out);
  });
  expect(done).toEqual(['settle 1', 'requeue 2', 'settle 3']);
  expect(failed).toBe(true);
});

test('an injected error is told of also where there is nothing to give back', () => {
  const deliveries = new Deliveries();
  deliveries.recordAppended(from(null, true), 1);
  const out: SecondaryEffect[] = [];
  expect(deliveries.settleStored(1, 0, out)).toBe(true);
  expect(out).toEqual([]);
});

test('tags end with their channel; an injected error of what they were for is still told', () => {
  const deliveries = new Deliveries();
  deliveries.recordAppended(from(1), 1);
  deliveries.recordAppended(from(2, true), 2);
  deliveries.forgetTags();
  deliveries.recordAppended(from(1), 3);
  const out: SecondaryEffect[] = [];
  expect(deliveries.settleStored(3, 0, out)).toBe(true);
  expect(out).toEqual([{ do: 'settle', tag: 1 }]);
});

describe('a store that fails', () => {
  test('gives back whatever waited for it, once', () => {
    const deliveries = new Deliveries();
    for (const tag of [1, null, 2]) deliveries.recordAppended(from(tag), 1);
    expect(told((out) => deliveries.requeueAll(0, out))).toEqual(['requeue 1', 'requeue 2']);
    expect(told((out) => deliveries.settleStored(9, 0, out))).toEqual([]);
  });

  test('is tried again after growing waits, up to five seconds', () => {
    const deliveries = new Deliveries();
    const waits = Array.from({ length: 9 }, () => deliveries.requeueAll(LONGEST, []));
    expect(waits).toEqual([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  });

  test('and stores again is trusted anew', () => {
    const deliveries = new Deliveries();
    for (let time = 0; time < 5; time += 1) deliveries.requeueAll(LONGEST, []);
    deliveries.recordAppended(from(1), 1);
    deliveries.settleStored(1, 0, []);
    expect(deliveries.requeueAll(LONGEST, [])).toBe(50);
  });

  test.each<[what: string, act: (deliveries: Deliveries) => void]>([
    ['what needed no append', (deliveries) => deliveries.settleKnown(from(7), [])],
    ['a store of nothing that waited', (deliveries) => deliveries.settleStored(1, 0, [])],
  ])('is not trusted for %s', (_, act) => {
    const deliveries = new Deliveries();
    for (let time = 0; time < 3; time += 1) deliveries.requeueAll(LONGEST, []);
    act(deliveries);
    expect(deliveries.requeueAll(LONGEST, [])).toBe(400);
  });

  test('makes also what an injected error strikes wait longer', () => {
    const deliveries = new Deliveries();
    for (let time = 0; time < 3; time += 1) deliveries.requeueAll(LONGEST, []);
    deliveries.recordAppended(from(1, true), 1);
    expect(waitOf((out) => deliveries.settleStored(1, LONGEST, out))).toBe(400);
  });
});

test('the broker hears of each delivery exactly once, and is told to forget only what is durable', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('hold' as const), fail: fc.boolean(), records: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('store' as const), records: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'disconnect' as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const deliveries = new Deliveries();
      let waiting: { tag: number; index: number; fail: boolean }[] = [];
      let [lastIndex, durable] = [0, 0];
      for (const [tag, each] of steps.entries()) {
        let expected: string[] = [];
        const out: SecondaryEffect[] = [];
        if (each.do === 'hold') {
          lastIndex += each.records;
          deliveries.recordAppended(from(tag, each.fail), lastIndex);
          waiting.push({ tag, index: lastIndex, fail: each.fail });
        } else if (each.do === 'store') {
          durable = Math.min(lastIndex, durable + each.records);
          deliveries.settleStored(durable, 0, out);
          const done = waiting.filter(({ index }) => index <= durable);
          expected = done.map((one) => `${one.fail ? 'requeue' : 'settle'} ${one.tag}`);
          waiting = waiting.filter(({ index }) => index > durable);
        } else if (each.do === 'fail') {
          deliveries.requeueAll(0, out);
          expected = waiting.map((one) => `requeue ${one.tag}`);
          [waiting, lastIndex] = [[], durable];
        } else {
          deliveries.forgetTags();
          waiting = [];
        }
        expect(out.map((effect) => ('tag' in effect ? `${effect.do} ${effect.tag}` : effect.do))).toEqual(expected);
      }
    }),
  );
});

import { BrokerLink } from '#master/core/broker-link';
import { noCounts } from '#master/core/counters';
import type { MasterEffect } from '#master/core/events';
import { Publisher } from '#master/core/leadership/publisher';
import type { Reign } from '#master/core/leadership/reign';
import { MESSAGE_BYTES_MAX } from '#protocol/limits';
import { RecordSource } from '#tests/contract/log-records';

/** A publisher whose reign is nothing but a commit index. */
function publisherUp() {
  const broker = new BrokerLink();
  broker.becomeUp();
  const counters = noCounts();
  const publisher = new Publisher(broker, { bytesMax: MESSAGE_BYTES_MAX }, counters);
  const source = new RecordSource();
  const reign = { commitIndex: 0, header: () => ({}) } as unknown as Reign;
  const sent: { id: number; indexes: number[] }[] = [];
  const publish = (): number[][] => {
    const out: MasterEffect[] = [];
    publisher.publish(reign, out);
    const batches = out.flatMap((effect) => (effect.do === 'publish' ? [effect.publish] : []));
    const added = batches.map(({ id, records }) => ({ id, indexes: records.map(({ index }) => index) }));
    sent.push(...added);
    return added.map(({ indexes }) => indexes);
  };
  const add = (count: number): number[][] => {
    publisher.window.add(source.entries(count));
    return publish();
  };
  return { broker, publisher, counters, reign, sent, publish, add };
}

test('one batch travels; what comes meanwhile goes out as one when a majority has it', () => {
  const { reign, publish, add } = publisherUp();
  expect(add(2)).toEqual([[1, 2]]);
  expect(add(1)).toEqual([]);
  Object.assign(reign, { commitIndex: 1 });
  expect(add(2)).toEqual([]);
  Object.assign(reign, { commitIndex: 2 });
  expect(publish()).toEqual([[3, 4, 5]]);
  Object.assign(reign, { commitIndex: 5 });
  expect(add(1)).toEqual([[6]]);
});

test('a confirm of the broker alone lets no further batch go, a tick does', () => {
  const { publisher, sent, publish, add } = publisherUp();
  add(1);
  add(1);
  for (const { id } of sent) publisher.recordConfirm(id);
  expect(publish()).toEqual([]);
  publisher.tick();
  expect(publish()).toEqual([[2]]);
});

test('after a batch that the broker did not take all goes out again, in order, once it is time', () => {
  const { publisher, counters, sent, publish, add } = publisherUp();
  add(1);
  add(1);
  add(1);
  publisher.recordFailure(1_000, { publish: sent[0]?.id ?? 0, random: 0.5 }, []);
  expect(publish()).toEqual([]);
  expect(publisher.isRetryDue(1_000)).toBe(false);
  expect(publisher.isRetryDue(60_000)).toBe(true);
  expect(publish()).toEqual([[1, 2, 3]]);
  expect(counters).toEqual({ resends: 1 });
  publisher.recordFailure(60_000, { publish: sent[0]?.id ?? 0, random: 0.5 }, []);
  expect(counters).toEqual({ resends: 1 });
});

test('neither what travelled nor a wait outlives the reign, or the link', () => {
  for (const end of ['clear', 'becomeDown'] as const) {
    const { publisher, sent, add } = publisherUp();
    add(1);
    add(1);
    publisher.recordFailure(1_000, { publish: sent[0]?.id ?? 0, random: 0.5 }, []);
    publisher[end]();
    const kept = end === 'clear' ? [] : [1, 2];
    expect(add(1)).toEqual([[...kept, 3]]);
  }
});

test('nothing is published without the lock', () => {
  const { broker, add } = publisherUp();
  broker.becomeLockedOut();
  expect(add(1)).toEqual([]);
});

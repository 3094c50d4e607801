/**
 * A secondary's side on a real broker: its node id, its backlog, and deliveries that outlive their
 * channel.
 */

import { PROBE_TYPE } from '#amqp/probe';
import type { WireMessage } from '#protocol/wire/messages';
import type { DeliveryHandle } from '#secondary/broker/entries';
import { eventually } from '#tests/support/eventually';
import { TEST_QUEUE_TYPE } from '#tests/support/real/process';
import { ackOf, announcement, batch, Cast, findBroker, Operator, type Recorder, type TestBroker } from './amqp-support';

jest.setTimeout(60_000);

type Delivery = readonly [WireMessage, DeliveryHandle];

let server: TestBroker;
let operator: Operator;
let cast: Cast;

beforeAll(async () => {
  server = await findBroker();
  operator = await Operator.at(server);
}, 180_000);
beforeEach(() => {
  cast = new Cast([server.url]);
});
afterEach(async () => {
  await cast.close();
  await operator.deleteLog(cast.topology, ['s1', 's2']);
});
afterAll(async () => {
  await operator?.close();
  await server?.stop();
});

/** A master and a secondary that consumes its backlog. */
async function pair() {
  const master = cast.master({ node: `${cast.log}-m` });
  await master.seen.next('up');
  const secondary = cast.secondary('s1');
  await secondary.seen.next('up');
  secondary.broker.consumeEntries();
  return { master, secondary };
}

/** Index of the next delivery, and its handle. */
async function nextDelivery(seen: Recorder): Promise<{ index: number; handle: DeliveryHandle }> {
  const [message, handle] = await seen.next<Delivery>('delivery');
  if (message.type !== 'entries') throw new Error(`a delivery of type ${message.type}`);
  return { index: message.prevIndex + 1, handle };
}

describe('the node id', () => {
  it('a second process under one node id waits, says so once, and takes over when the first one closes', async () => {
    const { secondary: first } = await pair();
    const second = cast.secondary('s1');
    await second.seen.next('locked');
    expect(second.broker.status()).toMatchObject({ connected: true, up: false, lockedOut: true });
    await first.broker.close();
    await second.seen.next('up');
    expect(second.seen.count('locked')).toBe(1);
  });

  it('before any master was there it waits for the control exchange on living connections', async () => {
    const secondary = cast.secondary();
    await secondary.seen.next('broker.no-master-yet');
    cast.master();
    await secondary.seen.next('up');
    expect(secondary.seen.count('broker.connected')).toBe(1);
    expect(secondary.seen.count('down')).toBe(0);
  });
});

describe('control', () => {
  it('an announcement reaches the live, an answer reaches the one who asked', async () => {
    const { master, secondary } = await pair();
    const other = cast.secondary('s2');
    await other.seen.next('up');
    master.broker.sendControl(announcement(1));
    master.broker.sendTo(cast.topology.controlQueue('s1'), batch(7));
    expect((await secondary.seen.next<[WireMessage]>('control'))[0]).toMatchObject({ type: 'announce', head: 1 });
    expect((await secondary.seen.next<[WireMessage]>('control'))[0]).toMatchObject({ type: 'entries', prevIndex: 6 });
    await other.seen.next('control');
    expect(other.seen.count('control')).toBe(1);
  });

  it('an answer that is larger than any broker takes brings the records that fit', async () => {
    const { master, secondary } = await pair();
    const [first, second] = [batch(1, 'x'.repeat(1_048_000)), batch(2, 'x'.repeat(15_800_000))];
    const answer = { ...first, records: [...first.records, ...second.records] };
    expect(master.broker.sendTo(cast.topology.controlQueue('s1'), answer)).toBe(true);
    const [message] = await secondary.seen.next<[WireMessage]>('control');
    expect(message).toMatchObject({ type: 'entries', records: [{ index: 1 }] });
    expect(master.broker.sendTo(cast.topology.controlQueue('s1'), batch(3, 'x'.repeat(17_000_000)))).toBe(false);
    expect(master.broker.warnings).toEqual([expect.stringMatching(/entry 3 makes a message of 1700\d{4} bytes/)]);
  });

  it('a control exchange that was deleted and made anew is heard again', async () => {
    const { master, secondary } = await pair();
    await operator.do((channel) => channel.deleteExchange(cast.topology.controlExchange));
    master.broker.sendControl(announcement(1));
    await master.seen.next('down');
    await master.seen.next('up');
    const again = setInterval(() => master.broker.sendControl(announcement(2)), 50);
    try {
      await secondary.seen.next('control');
    } finally {
      clearInterval(again);
    }
    expect(secondary.seen.count('down')).toBe(0);
  });
});

describe.each([TEST_QUEUE_TYPE])('the backlog in a %s queue', (type) => {
  beforeEach(() => {
    cast.queueType = type;
  });

  it('is bounded: beyond that the oldest are lost, and the newest come in order', async () => {
    const [count, bytes] = [30, 10_000];
    const master = cast.master({ queueMaxBytes: 10 * bytes });
    await master.seen.next('up');
    for (let index = 1; index <= count; index += 1) await master.broker.publishEntries(batch(index, 'x'.repeat(bytes)));
    const kept = await operator.depth(cast.topology.entriesQueue('s1'));
    expect(kept).toBeGreaterThan(5);
    expect(kept).toBeLessThanOrEqual(10);
    const secondary = cast.secondary('s1');
    await secondary.seen.next('up');
    secondary.broker.consumeEntries();
    for (let expected = count - kept + 1; expected <= count; expected += 1) {
      const { index, handle } = await nextDelivery(secondary.seen);
      expect(index).toBe(expected);
      handle.settle();
    }
  });

  it('of large batches is held in bounded bytes while nothing is settled, and comes whole when it is', async () => {
    const [count, mib] = [24, 4 * 2 ** 20];
    const master = cast.master({ queueMaxBytes: 2 * count * mib });
    await master.seen.next('up');
    for (let index = 1; index <= count; index += 1) await master.broker.publishEntries(batch(index, 'x'.repeat(mib)));
    const handles: DeliveryHandle[] = [];
    let isSlow = true;
    const secondary = cast.secondary('s1', {
      delivery: (_, handle) => {
        handles.push(handle);
        if (!isSlow) handle.settle();
      },
    });
    await secondary.seen.next('up');
    secondary.broker.consumeEntries();
    await eventually('the window is full', () => expect(handles.length).toBeGreaterThanOrEqual(4));
    const queue = cast.topology.entriesQueue('s1');
    await eventually('the broker has given what it may', async () => {
      const before = handles.length;
      expect(await operator.depth(queue)).toBe(count - before);
      expect(handles.length).toBe(before);
    });
    expect(handles.length * mib).toBeLessThanOrEqual(48 * 2 ** 20);
    isSlow = false;
    for (const handle of [...handles]) handle.settle();
    await eventually('all of it has come', () => expect(handles.length).toBe(count));
    expect(secondary.broker.status().redelivered).toBe(0);
  });

  it('of small batches is held by 64 and the first few, while nothing is settled', async () => {
    const master = cast.master();
    await master.seen.next('up');
    for (let index = 1; index <= 80; index += 1) await master.broker.publishEntries(batch(index));
    const handles: DeliveryHandle[] = [];
    const secondary = cast.secondary('s1', { delivery: (_, handle) => handles.push(handle) });
    await secondary.seen.next('up');
    secondary.broker.consumeEntries();
    await eventually('the window is full', () => expect(handles.length).toBe(4 + 64));
  });

  it('what was published before the node ever started comes in order', async () => {
    const master = cast.master();
    await master.seen.next('up');
    for (const index of [1, 2, 3]) await master.broker.publishEntries(batch(index));
    const secondary = cast.secondary();
    await secondary.seen.next('up');
    secondary.broker.consumeEntries();
    secondary.broker.consumeEntries();
    for (const index of [1, 2, 3]) {
      const delivery = await nextDelivery(secondary.seen);
      expect(delivery.index).toBe(index);
      secondary.broker.settle(delivery.handle);
    }
    await secondary.broker.close();
    expect(secondary.seen.count('delivery')).toBe(3);
    expect(await operator.depth(cast.topology.entriesQueue('s1'))).toBe(0);
  });

  it('a requeued delivery comes again, and is counted as redelivered', async () => {
    const { master, secondary } = await pair();
    await master.broker.publishEntries(batch(1));
    const first = await nextDelivery(secondary.seen);
    expect(secondary.broker.status().redelivered).toBe(0);
    secondary.broker.requeue(first.handle);
    const second = await nextDelivery(secondary.seen);
    expect(second.index).toBe(1);
    expect(secondary.broker.status().redelivered).toBe(1);
    secondary.broker.settle(second.handle);
    secondary.broker.settle(second.handle);
    secondary.broker.requeue(second.handle);
    await master.broker.publishEntries(batch(2));
    expect((await nextDelivery(secondary.seen)).index).toBe(2);
    expect(secondary.broker.status().consuming).toBe(true);
  });

  it('stopped, what is unsettled goes back; a handle of the old channel settles nothing on the new one', async () => {
    const { master, secondary } = await pair();
    // RabbitMQ 4.3 agrees to the end of the channel before the queue has the message back.
    const back = async () => expect(await operator.depth(cast.topology.entriesQueue('s1'))).toBe(1);
    const untilOneIsBack = () => eventually('the queue has the message back', back);
    await master.broker.publishEntries(batch(1));
    const stale = await nextDelivery(secondary.seen);
    await secondary.broker.stopEntries();
    await untilOneIsBack();
    secondary.broker.settle(stale.handle);
    secondary.broker.consumeEntries();
    const fresh = await nextDelivery(secondary.seen);
    expect(fresh.index).toBe(1);
    secondary.broker.requeue(stale.handle);
    await secondary.broker.stopEntries();
    await untilOneIsBack();
    expect(secondary.seen.count('down')).toBe(0);
  });

  it('a lost connection: consumption goes on by itself and the unsettled comes again', async () => {
    const master = cast.master({ node: `${cast.log}-m` });
    await master.seen.next('up');
    const members = { s: `${cast.log}-s` };
    await master.broker.ensureMember(members.s);
    const secondary = cast.secondary(members.s);
    await secondary.seen.next('up');
    secondary.broker.consumeEntries();
    await master.broker.publishEntries(batch(1));
    const stale = await nextDelivery(secondary.seen);
    await operator.closeConnections([members.s]);
    await secondary.seen.next('down');
    await secondary.seen.next('up');
    const again = await nextDelivery(secondary.seen);
    secondary.broker.settle(stale.handle);
    expect(again.index).toBe(1);
    expect(secondary.broker.status().redelivered).toBe(1);
    await secondary.broker.close();
    await master.broker.removeMember(members.s);
  });

  it('no queue: said, nothing else disturbed, and consumed as soon as there is one', async () => {
    const { master } = await pair();
    const stranger = cast.secondary('s2');
    await stranger.seen.next('up');
    stranger.broker.consumeEntries();
    await stranger.seen.next('entriesMissing');
    await master.broker.ensureMember('s2');
    await master.broker.publishEntries(batch(1));
    stranger.broker.consumeEntries();
    expect((await nextDelivery(stranger.seen)).index).toBe(1);
    expect(stranger.seen.count('down')).toBe(0);
  });

  it('a queue that is deleted under its consumer is reported as missing', async () => {
    const { master, secondary } = await pair();
    await master.broker.publishEntries(batch(1));
    await nextDelivery(secondary.seen);
    await operator.do((channel) => channel.deleteQueue(cast.topology.entriesQueue('s1')));
    await secondary.seen.next('entriesMissing');
    expect(secondary.broker.status()).toMatchObject({ up: true, consuming: false });
    await master.broker.ensureMember('s1');
    secondary.broker.consumeEntries();
    await master.broker.publishEntries(batch(2));
    expect((await nextDelivery(secondary.seen)).index).toBe(2);
  });

  it('a probe is dropped in silence, and the batch behind it comes', async () => {
    const { master, secondary } = await pair();
    await operator.do((channel) =>
      channel.sendToQueue(cast.topology.entriesQueue('s1'), Buffer.alloc(0), { type: PROBE_TYPE }),
    );
    await master.broker.publishEntries(batch(1));
    expect((await nextDelivery(secondary.seen)).index).toBe(1);
    expect(secondary.seen.count('malformed')).toBe(0);
  });

  it('a malformed delivery is reported and never comes again', async () => {
    const { master, secondary } = await pair();
    const queue = cast.topology.entriesQueue('s1');
    await operator.do((channel) => channel.sendToQueue(queue, Buffer.from('{"records":'), { type: 'entries' }));
    expect(await secondary.seen.next('malformed')).toMatchObject({ type: 'entries', bytes: 11, queue });
    await master.broker.publishEntries(batch(1));
    const { handle } = await nextDelivery(secondary.seen);
    secondary.broker.settle(handle);
    await secondary.broker.close();
    expect(await operator.depth(queue)).toBe(0);
    expect(secondary.seen.count('malformed')).toBe(1);
  });

  it('a callback that throws is reported and ends nothing', async () => {
    const { master } = await pair();
    await master.broker.ensureMember('s2');
    const broken = cast.secondary('s2', {
      delivery: () => {
        throw new Error('a bug of the owner');
      },
    });
    await broken.seen.next('up');
    broken.broker.consumeEntries();
    await master.broker.publishEntries(batch(1));
    expect(await broken.seen.next<Error>('callbackThrew')).toMatchObject({ message: 'a bug of the owner' });
    expect(broken.broker.status()).toMatchObject({ up: true, consuming: true });
  });
});

it('an ack that was sent right before a clean close arrives', async () => {
  const { master, secondary } = await pair();
  secondary.broker.send(ackOf(9));
  await secondary.broker.close();
  expect((await master.seen.next<[WireMessage]>('message'))[0]).toEqual(ackOf(9));
});

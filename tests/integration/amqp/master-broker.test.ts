/**
 * The master's side on a real broker: publishing, the lock, and what people do to queues and
 * exchanges.
 */

import amqp from 'amqplib';
import { AmqpError } from '#amqp/error';
import type { WireMessage } from '#protocol/wire/messages';
import { eventually } from '#tests/support/eventually';
import { TEST_QUEUE_TYPE } from '#tests/support/real/process';
import { ackOf, announcement, batch, Cast, findBroker, Operator, Recorder, type TestBroker } from './amqp-support';

jest.setTimeout(60_000);

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

/** The code that a promise is refused with. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    if (error instanceof AmqpError) return error.code;
    throw error;
  }
}

describe('publishing', () => {
  it('a confirmed batch is in the queue of every member, with the properties that people look for', async () => {
    const { broker, seen } = cast.master({ members: () => ['s1', 's2'] });
    expect(await seen.next('up')).toEqual({ freshBroker: true });
    const before = Math.floor(Date.now() / 1000);
    await broker.publishEntries(batch(1));
    expect(await operator.depth(cast.topology.entriesQueue('s2'))).toBe(1);
    const got = await operator.takeOne(cast.topology.entriesQueue('s1'));
    const { type, appId, contentType, replyTo, deliveryMode, timestamp } = got.properties;
    expect({ type, appId, contentType, replyTo, deliveryMode }).toEqual({
      type: 'entries',
      appId: 'master',
      contentType: 'application/json',
      replyTo: cast.topology.repliesQueue,
      deliveryMode: 2,
    });
    expect(timestamp).toBeGreaterThanOrEqual(before);
    expect(timestamp).toBeLessThanOrEqual(before + 60);
    expect(got.content.toString()).toContain('message 1');
  });

  it('without members a batch is confirmed by nobody and that is no fault', async () => {
    const { broker, seen } = cast.master({ members: () => [] });
    await seen.next('up');
    await expect(broker.publishEntries(batch(1))).resolves.toBeUndefined();
  });

  it('a batch that no queue takes is refused, and by then the queues are bound again', async () => {
    const { broker, seen } = cast.master();
    await seen.next('up');
    const { entriesExchange, entriesQueue } = cast.topology;
    await operator.do((channel) => channel.unbindQueue(entriesQueue('s1'), entriesExchange, ''));
    const refusals = await Promise.all([
      refusal(broker.publishEntries(batch(1))),
      refusal(broker.publishEntries(batch(2))),
    ]);
    expect(refusals).toEqual(['returned', 'returned']);
    await broker.publishEntries(batch(1));
    expect(await operator.depth(entriesQueue('s1'))).toBe(1);
    expect(seen.count('down')).toBe(0);
  });

  it('a batch above 16 MiB is refused here, since the broker would close the channel for it', async () => {
    const { broker, seen } = cast.master();
    await seen.next('up');
    expect(await refusal(broker.publishEntries(batch(1, 'x'.repeat(16 * 1024 * 1024))))).toBe('too-large');
    await broker.publishEntries(batch(1));
  });

  it('before the session is up nothing is accepted', async () => {
    const { broker } = cast.master();
    expect(await refusal(broker.publishEntries(batch(1)))).toBe('not-up');
    expect(await refusal(broker.ensureMember('s2'))).toBe('not-up');
    expect(broker.sendControl(announcement(1))).toBe(false);
    expect(broker.status()).toMatchObject({ up: false, dropped: 1 });
  });

  it('a deleted exchange costs a session: what was pending is refused, everything is declared again', async () => {
    const { broker, seen } = cast.master();
    await seen.next('up');
    await operator.do((channel) => channel.deleteExchange(cast.topology.entriesExchange));
    expect(await refusal(broker.publishEntries(batch(1)))).toBe('missing');
    await seen.next('down');
    expect(await seen.next('up')).toEqual({ freshBroker: true });
    await broker.publishEntries(batch(1));
    expect(await operator.depth(cast.topology.entriesQueue('s1'))).toBe(1);
  });

  it('a deleted control exchange costs a session too', async () => {
    const { broker, seen } = cast.master();
    await seen.next('up');
    await operator.do((channel) => channel.deleteExchange(cast.topology.controlExchange));
    broker.sendControl(announcement(1));
    await seen.next('down');
    expect(await seen.next('up')).toEqual({ freshBroker: false });
  });
});

describe.each([TEST_QUEUE_TYPE])('members with %s queues', (type) => {
  beforeEach(() => {
    cast.queueType = type;
  });

  it('a new member has its queue at once, a former one loses it, and both may be said twice', async () => {
    const { broker, seen } = cast.master({ members: () => [] });
    await seen.next('up');
    await broker.ensureMember('s2');
    await broker.ensureMember('s2');
    await broker.publishEntries(batch(1));
    expect(await operator.depth(cast.topology.entriesQueue('s2'))).toBe(1);
    await broker.removeMember('s2');
    await broker.removeMember('s2');
    const again = await operator.do((channel) => channel.assertQueue(cast.topology.entriesQueue('s2')));
    expect(again.messageCount).toBe(0);
  });

  it('a queue that exists with other settings is deleted and declared anew, and the log says so', async () => {
    const queue = cast.topology.entriesQueue('s1');
    await operator.do((channel) =>
      channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } }),
    );
    const { broker, seen } = cast.master();
    expect(await seen.next('up')).toEqual({ freshBroker: true });
    const renewed = seen.all.find(({ name }) => name === 'queue.replaced');
    expect(JSON.stringify(renewed)).toContain(`queue ${queue} exists with other settings: x-`);
    await broker.publishEntries(batch(1));
    expect((await operator.takeOne(queue)).properties.type).toBe('entries');
  });

  it('a queue with other settings in the place of a member that joins is declared anew, and the session lives', async () => {
    const { broker, seen } = cast.master({ members: () => [] });
    await seen.next('up');
    await operator.do((channel) => channel.assertQueue(cast.topology.entriesQueue('s2'), { durable: true }));
    await broker.ensureMember('s2');
    await broker.publishEntries(batch(1));
    expect((await operator.takeOne(cast.topology.entriesQueue('s2'))).properties.type).toBe('entries');
    expect(seen.count('down')).toBe(0);
  });

  it('a queue that the broker refuses keeps no other member from its own', async () => {
    const owner = await amqp.connect(server.url);
    const channel = await owner.createChannel();
    await channel.assertQueue(cast.topology.entriesQueue('s1'), { exclusive: true });
    const { broker, seen } = cast.master({ members: () => ['s1', 's2'] });
    await seen.next('up');
    await broker.publishEntries(batch(1));
    expect((await operator.takeOne(cast.topology.entriesQueue('s2'))).properties.type).toBe('entries');
    expect(broker.warnings).toEqual([expect.stringContaining(cast.topology.entriesQueue('s1'))]);
    await owner.close();
    // The broker deletes an exclusive queue some time after its connection has closed.
    await eventually('the queue is free', () => broker.ensureMember('s1'));
    expect(broker.warnings).toEqual([]);
  });

  it('an exchange of another type is named once at error level, and mended without a restart', async () => {
    const { entriesExchange } = cast.topology;
    await operator.do((channel) => channel.assertExchange(entriesExchange, 'direct'));
    const { broker, seen } = cast.master();
    const event = 'exchange.mismatch';
    expect(await seen.next(event)).toBe('error');
    expect(await seen.next(event)).toBe('debug');
    expect(broker.status().trouble).toContain(`exchange ${entriesExchange} exists with other settings`);
    await operator.do((channel) => channel.deleteExchange(entriesExchange));
    await seen.next('up');
    expect(broker.status().trouble).toBeNull();
  });
});

describe('the lock', () => {
  it('a second master waits, says so once, and has the lock when the first one closes', async () => {
    const first = cast.master({ node: 'm1' });
    await first.seen.next('up');
    const second = cast.master({ node: 'm2' });
    await second.seen.next('locked');
    expect(second.broker.status()).toMatchObject({ connected: true, up: false, lockedOut: true });
    await first.broker.close();
    expect(await second.seen.next('up')).toEqual({ freshBroker: false });
    expect(second.seen.count('locked')).toBe(1);
    expect(second.seen.count('broker.connected')).toBe(1);
    expect(second.broker.status()).toMatchObject({ up: true, lockedOut: false });
  });

  it('a master that yields leaves the lock to one that waits, and stands by itself', async () => {
    const first = cast.master({ node: 'm1' });
    await first.seen.next('up');
    const second = cast.master({ node: 'm2' });
    await second.seen.next('locked');
    first.broker.yieldLock();
    await first.seen.next('down');
    await second.seen.next('up');
    await first.seen.next('locked');
    expect(second.broker.status()).toMatchObject({ up: true });
  });

  it('a master that yields and finds nobody waiting has the lock again', async () => {
    const { broker, seen } = cast.master({ node: 'm1' });
    await seen.next('up');
    broker.yieldLock();
    await seen.next('down');
    await seen.next('up');
    expect(seen.count('locked')).toBe(0);
  });

  it('a master that lost its connections may find the lock taken, and never are two up', async () => {
    const seen = new Recorder();
    const first = cast.master({ node: `${cast.log}-m1`, seen });
    await seen.next('up');
    const second = cast.master({ node: `${cast.log}-m2`, seen });
    await seen.next('locked');
    await operator.closeConnections([`${cast.log}-m1`]);
    await seen.next('down');
    await seen.next('up');
    expect([first, second].filter(({ broker }) => broker.status().up)).toHaveLength(1);
  });
});

describe('what comes in', () => {
  it('a wire message is handed on with the queue that it wants answers in', async () => {
    const { seen } = cast.master();
    await seen.next('up');
    const secondary = cast.secondary();
    await secondary.seen.next('up');
    expect(secondary.broker.send(ackOf(3))).toBe(true);
    const [message, replyTo] = await seen.next<[WireMessage, string]>('message');
    expect(message).toEqual(ackOf(3));
    expect(replyTo).toBe(cast.topology.controlQueue('s1'));
  });

  it.each([
    ['of no kind', Buffer.from('{}'), undefined],
    ['of an unknown kind', Buffer.from('{}'), 'gossip'],
    ['not JSON', Buffer.from('ack!'), 'ack'],
    ['empty', Buffer.alloc(0), 'heartbeat'],
    ['of the wrong shape', Buffer.from('{"epoch":"one"}'), 'ack'],
    ['binary', Buffer.from([0, 255, 254, 10]), 'entries'],
  ])('something %s is counted, reported and dropped', async (_, body, type) => {
    const { broker, seen } = cast.master();
    await seen.next('up');
    await operator.do((channel) =>
      channel.sendToQueue(cast.topology.repliesQueue, body, type === undefined ? {} : { type }),
    );
    const queue = cast.topology.repliesQueue;
    expect(await seen.next('malformed')).toMatchObject({ type: type ?? null, bytes: body.length, queue });
    expect(broker.status()).toMatchObject({ malformed: 1, up: true });
    expect(seen.count('down')).toBe(0);
  });
});

it('all connections closed by an operator: back by itself, and what was pending is not left hanging', async () => {
  const { broker, seen } = cast.master({ node: cast.log });
  await seen.next('up');
  expect(await operator.closeConnections([`${cast.log} publish`, `${cast.log} consume`])).toBe(2);
  await seen.next('down');
  await seen.next('up');
  await broker.publishEntries(batch(1));
  expect(await operator.depth(cast.topology.entriesQueue('s1'))).toBe(1);
});

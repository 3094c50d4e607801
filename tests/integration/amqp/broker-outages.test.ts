/**
 * What only a broker of one's own can be put through: not there yet, killed, out of memory, its
 * objects removed from inside.
 */

import { AmqpError } from '#amqp/error';
import type { WireMessage } from '#protocol/wire/messages';
import { eventually } from '#tests/support/eventually';
import { TEST_QUEUE_TYPE } from '#tests/support/real/process';
import { ackOf, batch, Cast } from './amqp-support';
import { PrivateNode } from './private-node';

jest.setTimeout(120_000);

let node: PrivateNode;
let cast: Cast;

beforeAll(async () => {
  const launched = await PrivateNode.launch();
  if (launched === null) throw new Error('these tests need rabbitmq-server on Linux');
  node = launched;
}, 180_000);
beforeEach(() => {
  cast = new Cast([node.url]);
});
afterEach(() => cast.close());
afterAll(() => node?.stop());

async function pair() {
  const master = cast.master();
  await master.seen.next('up');
  const secondary = cast.secondary();
  await secondary.seen.next('up');
  secondary.broker.consumeEntries();
  return { master, secondary };
}

it('a memory alarm blocks publishes and says so; consuming goes on, and what waited is confirmed afterwards', async () => {
  const { master, secondary } = await pair();
  await master.broker.publishEntries(batch(1));
  await secondary.seen.next('delivery');
  await node.ctl('set_vm_memory_high_watermark', '0.00001');
  let confirmed = false;
  const waiting = master.broker.publishEntries(batch(2)).then(() => {
    confirmed = true;
  });
  expect(await master.seen.next('blockedChanged')).toEqual(expect.stringContaining('memory'));
  expect(master.broker.status()).toMatchObject({ up: true, blocked: true });
  expect(master.broker.sendTo(cast.topology.controlQueue('s1'), ackOf(1))).toBe(false);
  // Requests go over the other connection, so they are answered.
  await master.broker.ensureMember('s2');
  expect(confirmed).toBe(false);
  await node.ctl('set_vm_memory_high_watermark', '0.4');
  expect(await master.seen.next('blockedChanged')).toBeNull();
  await waiting;
  await secondary.seen.next('delivery');
  expect(master.seen.count('down')).toBe(0);
  expect(master.broker.status().blocked).toBe(false);
});

it('blocked, it closes within its bound, and a batch that waits is refused', async () => {
  const { master } = await pair();
  await node.ctl('set_vm_memory_high_watermark', '0.00001');
  const refused = master.broker.publishEntries(batch(1)).catch((error: unknown) => error);
  await master.seen.next('blockedChanged');
  const startedMs = performance.now();
  await master.broker.close();
  expect(performance.now() - startedMs).toBeLessThan(3000);
  expect(await refused).toBeInstanceOf(AmqpError);
  await node.ctl('set_vm_memory_high_watermark', '0.4');
});

it('an exclusive queue that is removed under its consumer is declared and consumed again', async () => {
  const { master, secondary } = await pair();
  const { repliesQueue, controlQueue } = cast.topology;
  await node.ctl('eval', removal(repliesQueue));
  await master.seen.next('down');
  await master.seen.next('up');
  await node.ctl('eval', removal(controlQueue('s1')));
  await secondary.seen.next('down');
  await secondary.seen.next('up');
  secondary.broker.send(ackOf(4));
  expect((await master.seen.next<[WireMessage]>('message'))[0]).toEqual(ackOf(4));
});

it('a consumer that the broker threw out for holding a delivery too long consumes again by itself', async () => {
  await node.ctl('eval', 'application:set_env(rabbit, channel_tick_interval, 200).');
  await node.ctl('eval', 'application:set_env(rabbit, consumer_timeout, 500).');
  const { master, secondary } = await pair();
  await master.broker.publishEntries(batch(1));
  await secondary.seen.next('delivery');
  await secondary.seen.next('entries.consumer-restarted');
  await node.ctl('eval', 'application:set_env(rabbit, consumer_timeout, 1800000).');
  await secondary.seen.next('delivery');
  expect(secondary.seen.count('entriesMissing')).toBe(0);
  expect(secondary.seen.count('down')).toBe(0);
});

it('rabbitmqctl close_all_connections: everybody is back, one warning each', async () => {
  const { master, secondary } = await pair();
  await node.ctl('close_all_connections', 'maintenance');
  await Promise.all([master.seen.next('down'), secondary.seen.next('down')]);
  await Promise.all([master.seen.next('up'), secondary.seen.next('up')]);
  await master.broker.publishEntries(batch(1));
  await secondary.seen.next('delivery');
  const warnings = master.seen.all.filter(({ name, values }) => /session/.test(name) && values[0] === 'warn');
  expect(warnings).toHaveLength(1);
});

it.each([TEST_QUEUE_TYPE])(
  'a broker that is killed right after it declared a %s queue: whatever it left of it, batches arrive again',
  async (type) => {
    cast.queueType = type;
    const { master, secondary } = await pair();
    await node.server.kill();
    await Promise.all([master.seen.next('down'), secondary.seen.next('down')]);
    await node.server.start();
    await Promise.all([master.seen.next('up'), secondary.seen.next('up')]);
    await eventually('a batch is taken', () => master.broker.publishEntries(batch(1)));
    secondary.broker.consumeEntries();
    await secondary.seen.next('delivery');
  },
);

it.each([TEST_QUEUE_TYPE])(
  'a broker that stops and comes back has what it confirmed in a %s queue, and its absence is warned of once',
  async (type) => {
    cast.queueType = type;
    const { master, secondary } = await pair();
    await master.broker.publishEntries(batch(1));
    await secondary.broker.stopEntries();
    await node.server.halt();
    await Promise.all([master.seen.next('down'), secondary.seen.next('down')]);
    await master.seen.next('broker.unreachable');
    expect(master.broker.status()).toMatchObject({ connected: false, up: false });
    await node.server.start();
    expect(await master.seen.next('up')).toEqual({ freshBroker: false });
    await secondary.seen.next('up');
    secondary.broker.consumeEntries();
    await secondary.seen.next('delivery');
    const unreachable = master.seen.all.filter(({ name }) => name === 'broker.unreachable');
    expect(unreachable.map(({ values }) => values[0]).filter((level) => level === 'warn').length).toBeLessThanOrEqual(
      2,
    );
    expect(unreachable.length).toBeGreaterThan(2);
  },
);

it('a broker that starts after its nodes is found, and one address that is dead does not matter', async () => {
  await node.server.halt();
  cast = new Cast(['amqp://guest:guest@127.0.0.1:1', node.url]);
  const master = cast.master();
  await master.seen.next('broker.unreachable');
  await node.server.start();
  await master.seen.next('up');
  await master.broker.publishEntries(batch(1));
});

/** Removes a queue as a failing node would, owner or not. */
function removal(queue: string): string {
  return `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<"${queue}">>)), rabbit_amqqueue:delete(Q, false, false, <<"test">>).`;
}

/** What a channel sends for the deliveries that its owner settles. */
import { EventEmitter } from 'node:events';
import { AmqpChannel } from '#amqp/channel';
import type { AmqpConnection } from '#amqp/connection';

/** A channel of amqplib that agrees to everything, and what it was told for deliveries. */
class Raw extends EventEmitter {
  readonly sent: string[] = [];
  private take: (message: object) => void = () => undefined;

  prefetch(_count: number, _global: boolean, reply: () => void): void {
    reply();
  }

  consume(_queue: string, take: (message: object) => void, _options: object, reply: () => void): void {
    this.take = take;
    reply();
  }

  ack({ fields }: { fields: { deliveryTag: number } }, allUpTo = false): void {
    this.sent.push(`ack ${allUpTo ? 'up to ' : ''}${fields.deliveryTag}`);
  }

  nack({ fields }: { fields: { deliveryTag: number } }): void {
    this.sent.push(`nack ${fields.deliveryTag}`);
  }

  close(): void {
    this.sent.push('close');
    this.emit('close');
  }

  deliver(deliveryTag: number): void {
    this.take({ fields: { deliveryTag } });
  }
}

/** A channel whose consumer was given the deliveries 1 … `count`. */
async function given(count: number, prefetch: number) {
  const raw = new Raw();
  const createChannel = (_: object, reply: (error: null, value: Raw) => void) => {
    setImmediate(() => reply(null, raw));
    return raw;
  };
  const channel = await AmqpChannel.open({ reason: null, model: { createChannel } } as unknown as AmqpConnection, 'c');
  await channel.prefetch(prefetch);
  const ignore = () => undefined;
  await channel.consume('q', { noAck: false, onMessage: ignore, onCancel: ignore, onThrow: ignore });
  for (let tag = 1; tag <= count; tag += 1) raw.deliver(tag);
  const settle = (tag: number) => channel.ack({ fields: { deliveryTag: tag } as never });
  const requeue = (tag: number) => channel.requeue({ fields: { deliveryTag: tag } as never });
  return { raw, channel, settle, requeue };
}

test('a quarter of the prefetch count is acknowledged together, 16 at most', async () => {
  const { raw, settle } = await given(40, 64);
  for (let tag = 1; tag <= 15; tag += 1) settle(tag);
  expect(raw.sent).toEqual([]);
  for (let tag = 16; tag <= 32; tag += 1) settle(tag);
  expect(raw.sent).toEqual(['ack up to 16', 'ack up to 32']);
});

test('where the broker hands out few at a time, each is acknowledged at once', async () => {
  const { raw, settle } = await given(3, 4);
  settle(2);
  settle(1);
  expect(raw.sent).toEqual(['ack 2', 'ack up to 1']);
});

test('what is settled is acknowledged soon, though nothing follows', async () => {
  const { raw, settle } = await given(3, 64);
  jest.useFakeTimers();
  settle(1);
  settle(2);
  jest.advanceTimersByTime(50);
  jest.useRealTimers();
  expect(raw.sent).toEqual(['ack up to 2']);
});

test('what is given back is told at once, and no acknowledgement includes it', async () => {
  const { raw, channel, settle, requeue } = await given(3, 64);
  settle(1);
  requeue(2);
  settle(3);
  expect(raw.sent).toEqual(['nack 2']);
  await channel.close(1_000);
  expect(raw.sent).toEqual(['nack 2', 'ack up to 3', 'close']);
});

test('a channel that has ended is told nothing', async () => {
  const { raw, channel, settle } = await given(3, 64);
  settle(1);
  raw.emit('close');
  await channel.ended;
  settle(2);
  await channel.close(1_000);
  expect(raw.sent).toEqual([]);
});

/**
 * What the broker alone can carry: amqplib with publisher confirms → a fanout exchange → queues of
 * the product's default type, with its arguments → a consumer each, all of the clients in one
 * process, nothing done with the batches but their settling. A window of unconfirmed batches, as
 * the master keeps one.
 */
import { randomBytes } from 'node:crypto';
import { type ChannelModel, connect } from 'amqplib';
import { entriesQueueArguments } from '#protocol/topology';
import type { LimitMeasured } from '../row';

/** As the master's. */
const WINDOW = 128;
const QUEUES = 2;
/** The defaults of QUEUE_TYPE and QUEUE_MAX_BYTES. */
const QUEUE_TYPE = 'classic';
const QUEUE_BYTES_MAX = 256 * 2 ** 20;
/** An entry of 100 bytes of message, with its seq, epoch, id and time. */
const ENTRY_BYTES = 215;

export async function rawPipeline(
  amqpUrl: string,
  { entriesABatch, seconds }: { readonly entriesABatch: number; readonly seconds: number },
): Promise<LimitMeasured> {
  const name = `bench-${randomBytes(4).toString('hex')}`;
  const [publishing, consuming] = await Promise.all([connect(amqpUrl), connect(amqpUrl)]);
  try {
    return {
      value: Math.round((await measure(publishing, consuming, name, { entriesABatch, seconds })) * entriesABatch),
    };
  } finally {
    const channel = await publishing.createChannel();
    for (let at = 0; at < QUEUES; at += 1) await channel.deleteQueue(`${name}.${at}`);
    await channel.deleteExchange(name);
    await Promise.all([publishing.close(), consuming.close()]);
  }
}

/** Batches a second that all queues delivered. */
async function measure(
  publishing: ChannelModel,
  consuming: ChannelModel,
  name: string,
  { entriesABatch, seconds }: { readonly entriesABatch: number; readonly seconds: number },
): Promise<number> {
  const publisher = await publishing.createConfirmChannel();
  const consumer = await consuming.createChannel();
  await publisher.assertExchange(name, 'fanout', { durable: true });
  await consumer.prefetch(64);
  let delivered = 0;
  for (let at = 0; at < QUEUES; at += 1) {
    const queue = `${name}.${at}`;
    await publisher.assertQueue(queue, {
      durable: true,
      arguments: entriesQueueArguments(QUEUE_TYPE, QUEUE_BYTES_MAX),
    });
    await publisher.bindQueue(queue, name, '');
    await consumer.consume(queue, (message) => {
      if (message === null) return;
      delivered += 1;
      consumer.ack(message);
    });
  }
  const body = randomBytes((entriesABatch * ENTRY_BYTES) / 2).toString('hex');
  const flow = new Flow(() =>
    publisher.publish(name, '', Buffer.from(body), { persistent: true }, (error) => flow.confirmed(error)),
  );
  flow.fill();
  await pause(seconds * 250);
  const [before, from] = [delivered, performance.now()];
  await pause(seconds * 1000);
  const rate = (delivered - before) / QUEUES / ((performance.now() - from) / 1000);
  await flow.end();
  return rate;
}

/** Keeps the window full until it is ended. */
class Flow {
  private unconfirmed = 0;
  private ended: (() => void) | null = null;
  private failure: unknown = null;

  constructor(private readonly publish: () => void) {}

  fill(): void {
    for (; this.unconfirmed < WINDOW && this.ended === null; this.unconfirmed += 1) this.publish();
  }

  confirmed(error: unknown): void {
    this.failure ??= error ?? null;
    this.unconfirmed -= 1;
    if (this.unconfirmed === 0) this.ended?.();
    this.fill();
  }

  end(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.ended = () => {
        if (this.failure === null) resolve();
        else reject(this.failure instanceof Error ? this.failure : new Error(String(this.failure)));
      };
      if (this.unconfirmed === 0) this.ended();
    });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

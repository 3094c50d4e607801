import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import { type ExclusiveSession, isPlaceOf, takeExclusive } from '#amqp/exclusive';

const OPTIONS = { durable: false, exclusive: true, autoDelete: false, arguments: {} };

type State = 'alive' | 'dead';

/** A broker by what it says of each queue: all that the module sees of one. */
class Queues implements ExclusiveSession {
  readonly ours: string[] = [];
  readonly publish = { isBlocked: false };

  constructor(private readonly others: Readonly<Record<string, State>>) {}

  async onThrowAwayChannel<T>(_purpose: string, step: (channel: AmqpChannel) => Promise<T>): Promise<T> {
    return step({
      declareQueue: async (queue: string) => {
        if (queue in this.others) throw new AmqpError(queue, { code: 'locked', blastRadius: 'channel' });
        this.ours.push(queue);
      },
      deleteQueue: async (queue: string) => void this.ours.splice(this.ours.indexOf(queue), 1),
    } as unknown as AmqpChannel);
  }

  async openChannel(): Promise<AmqpChannel> {
    let returned: () => void = () => undefined;
    return {
      onReturn: (listener: () => void) => {
        returned = listener;
      },
      publishConfirmed: (to: { routingKey: string }, _body: Buffer, _options: object, settled: Settled) => {
        const state = this.others[to.routingKey];
        if (state === undefined) returned();
        settled(state === 'dead' ? new AmqpError('', { code: 'nacked', blastRadius: 'delivery' }) : null);
        return true;
      },
      close: async () => undefined,
    } as unknown as AmqpChannel;
  }
}

type Settled = (error: AmqpError | null) => void;

it.each<[string, Record<string, State>, string]>([
  ['a free name is taken', {}, 'q'],
  ['a name whose broker is down is passed over', { q: 'dead' }, 'q.2'],
  ['and so are several', { q: 'dead', 'q.2': 'dead' }, 'q.3'],
  ['a free name before dead ones is taken', { 'q.2': 'dead' }, 'q'],
])('%s', async (_, others, taken) => {
  const queues = new Queues(others);
  expect(await takeExclusive(queues, 'q', OPTIONS)).toBe(taken);
  expect(queues.ours).toEqual([taken]);
});

it.each<[string, Record<string, State>]>([
  ['a name that a living process has is locked', { q: 'alive' }],
  ['a living process at a later place is found behind dead ones', { q: 'dead', 'q.2': 'alive' }],
  ['a free name is given back to a living process at a later place', { 'q.2': 'alive' }],
  ['however late', { 'q.2': 'dead', 'q.3': 'alive' }],
])('%s', async (_, others) => {
  const queues = new Queues(others);
  await expect(takeExclusive(queues, 'q', OPTIONS)).rejects.toMatchObject({ code: 'locked' });
  expect(queues.ours).toEqual([]);
});

it('while the broker blocks publishes nothing is probed, and a locked name stays locked', async () => {
  const queues = new Queues({ q: 'dead' });
  queues.publish.isBlocked = true;
  queues.openChannel = () => Promise.reject(new Error('a channel on a connection that is blocked'));
  await expect(takeExclusive(queues, 'q', OPTIONS)).rejects.toMatchObject({ code: 'locked' });
});

it('a place is the name itself or the name with a number', () => {
  expect(['q', 'q.2', 'q.17'].map((queue) => isPlaceOf('q', queue))).toEqual([true, true, true]);
  expect(['q.x', 'qq', 'q.', 'other', 'q.2.3'].map((queue) => isPlaceOf('q', queue))).toEqual(Array(5).fill(false));
});

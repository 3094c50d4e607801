import type { AmqpChannel } from '#amqp/channel';
import { AmqpError } from '#amqp/error';
import type { AmqpSession } from '#amqp/session';
import { MasterTopology } from '#master/broker/topology';
import { type QueueType, topologyOf } from '#protocol/topology';

type Settled = (error: AmqpError | null) => void;

/** A session with a broker that answers a publish to a queue so; `asked` is what it was asked for. */
function sessionOf(answer: 'confirm' | 'nack' | 'blocked'): {
  readonly session: AmqpSession;
  readonly asked: string[];
} {
  const asked: string[] = [];
  const channel = {
    onReturn: () => undefined,
    publishConfirmed: (_to: object, _body: Buffer, _properties: object, settled: Settled) => {
      asked.push('probe');
      settled(answer === 'confirm' ? null : new AmqpError('', { code: 'nacked', blastRadius: 'delivery' }));
    },
    declareQueue: async () => void asked.push('declare'),
    deleteQueue: async () => void asked.push('delete'),
    bindQueue: async () => void asked.push('bind'),
    close: async () => undefined,
  } as unknown as AmqpChannel;
  const session = {
    isOpen: true,
    publish: { isBlocked: answer === 'blocked' },
    openChannel: async () => channel,
    onThrowAwayChannel: <T>(_: string, step: (on: AmqpChannel) => Promise<T>) => step(channel),
  } as unknown as AmqpSession;
  return { session, asked };
}

test.each<[string, QueueType, 'confirm' | 'nack' | 'blocked', readonly string[]]>([
  ['a classic queue that answers is declared', 'classic', 'confirm', ['probe', 'declare', 'bind']],
  ['a classic queue of a broker that is down is made anew', 'classic', 'nack', ['probe', 'delete', 'declare', 'bind']],
  ['while the broker blocks publishes, a classic queue is declared at once', 'classic', 'blocked', ['declare', 'bind']],
  ['a quorum queue, which moves by itself, is declared', 'quorum', 'nack', ['declare', 'bind']],
])('%s', async (_, queueType, answer, expected) => {
  const { session, asked } = sessionOf(answer);
  const topology = new MasterTopology(topologyOf('rlog'), { queueType, queueMaxBytes: 1 }, () => undefined);
  await topology.declareMember(session, 's1');
  expect(asked).toEqual(expected);
});

import {
  checkStored,
  greeting,
  MessageReader,
  type NatsNode,
  natsConfiguration,
  publish,
} from '#bench/peers/wire/nats-protocol';
import { takenInPieces } from './cut';

const notAsked = () => {
  throw new Error('no PING came');
};

describe('the protocol of NATS', () => {
  it('publishes with a place for the answer and a length in bytes', () => {
    expect(publish({ subject: 'log', reply: 'inbox', payload: 'ä' }).toString()).toBe('PUB log inbox 2\r\nä\r\n');
  });

  it('greets, subscribes its inbox, and asks for a PONG', () => {
    const [connect = '', ...rest] = greeting('inbox').toString().split('\r\n');
    expect(JSON.parse(connect.slice('CONNECT '.length))).toMatchObject({ verbose: false, no_responders: true });
    expect(rest).toEqual(['SUB inbox 1', 'PING', '']);
  });

  const bytes = Buffer.from('INFO {}\r\nPONG\r\nMSG inbox 1 4\r\na\r\nb\r\nMSG inbox 1 other 0\r\n\r\n+OK\r\nPONG\r\n');

  it.each([1, 2, 5, 1_000])('finds the answers in pieces of %i bytes', (length) => {
    expect(takenInPieces(new MessageReader(notAsked), bytes, length)).toEqual(['PONG', 'a\r\nb', '', 'PONG']);
  });

  it('says when the server asks whether we are alive', () => {
    let asked = 0;
    const reader = new MessageReader(() => {
      asked += 1;
    });
    expect(reader.take(Buffer.from('PING\r\nMSG inbox 1 1\r\nx\r\nPING\r\n'))).toEqual(['x']);
    expect(asked).toBe(2);
  });

  it('throws for an error, and when nobody listens to what was published', () => {
    expect(() => new MessageReader(notAsked).take(Buffer.from("-ERR 'no'\r\n"))).toThrow("-ERR 'no'");
    const nobody = 'HMSG inbox 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n';
    expect(() => new MessageReader(notAsked).take(Buffer.from(nobody))).toThrow('HMSG');
  });

  it('takes an answer of JetStream for stored only with a seq and without an error', () => {
    expect(() => checkStored('{"stream":"LOG","seq":7}')).not.toThrow();
    expect(() => checkStored('{"error":{"code":503,"description":"full"},"stream":"LOG","seq":0}')).toThrow('full');
    expect(() => checkStored('')).toThrow('JetStream answered');
  });
});

describe('the configuration of a NATS server', () => {
  const nodes: NatsNode[] = [1, 2, 3].map((at) => ({
    name: `nats-${at}`,
    port: 21_000 + at,
    clusterPort: 22_000 + at,
    storeDir: `/data/${at}`,
  }));
  const [first = nodes[0] as NatsNode] = nodes;

  it('listens on loopback only and knows all three', () => {
    const text = natsConfiguration(first, nodes, false);
    expect(text).toContain('listen: "127.0.0.1:21001"');
    expect(text).toContain('routes: ["nats://127.0.0.1:22001", "nats://127.0.0.1:22002", "nats://127.0.0.1:22003"]');
    expect(text).toContain('store_dir: "/data/1"');
  });

  it('asks for a sync of each write only where the server knows of it', () => {
    expect(natsConfiguration(first, nodes, false)).not.toContain('sync_interval');
    expect(natsConfiguration(first, nodes, true)).toContain('sync_interval: always');
  });
});

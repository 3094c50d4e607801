/**
 * What does not belong into the broker's queues, put there by hand: it is counted, dropped and
 * never asked for again, what follows is applied on every node, and no process dies of it.
 *
 * What parses but is of an epoch that nobody reigns in is another matter: nobody can tell it from a
 * new master's, so it may cost an election. The cluster must then take appends again by itself, and
 * no entry of that epoch may be seen.
 */
import { randomBytes } from 'node:crypto';
import type { Channel } from 'amqplib';
import { REIGN_LENGTH } from '#protocol/entry';
import { logIdOf } from '#protocol/identity';
import { entryRecord } from '#protocol/record';
import { encodeWire } from '#protocol/wire/codec';
import type { Sender, WireMessage } from '#protocol/wire/messages';
import { eventually } from '../support/eventually';
import { onShared, RealCluster, type RealNode, type SecondaryHealth } from '../support/real/cluster';

jest.setTimeout(120_000);

/** The text of every entry that no client has sent. */
const FORGED = 'forged';
const DROPPED = 'a malformed wire message was dropped';

let cluster: RealCluster;
let master: RealNode;

beforeAll(async () => {
  cluster = new RealCluster();
  master = await cluster.start();
  await appendEverywhere('first');
});
afterAll(() => cluster.end());

/** Appends with w=3, through whatever election is under way: an id makes the retries safe. */
async function appendEverywhere(message: string): Promise<void> {
  await eventually(`"${message}" is on all three nodes`, async () => {
    const answer = await master.post({ message, w: 3, id: message, timeoutMs: 1_000 });
    expect([200, 201]).toContain(answer.status);
  });
  const shown = await master.messages();
  expect(shown.at(-1)).toBe(message);
  expect(shown).not.toContain(FORGED);
  for (const node of cluster.nodes) expect(await node.messages()).toEqual(shown);
  expect(cluster.processes.every(({ isRunning }) => isRunning)).toBe(true);
}

/** Where strangers can put something, and who reads it. */
const PLACES = {
  'entries queue': { reader: 'secondary-1', exchange: '', queue: () => cluster.topology.entriesQueue('secondary-1') },
  'control queue': { reader: 'secondary-1', exchange: '', queue: () => cluster.topology.controlQueue('secondary-1') },
  'replies queue': { reader: 'master', exchange: '', queue: () => cluster.topology.repliesQueue },
} as const;
type Place = keyof typeof PLACES;

interface Put {
  readonly type?: string;
  readonly content: Uint8Array;
}

/** Publishes with a confirm, so that the broker has it for certain. */
async function put(place: Place, { type, content }: Put): Promise<void> {
  const { exchange, queue } = PLACES[place];
  await publish((channel) =>
    channel.publish(exchange, queue(), Buffer.from(content), type === undefined ? {} : { type }),
  );
}

function publish(send: (channel: Channel) => unknown): Promise<void> {
  return cluster.onBroker(async (channel) => {
    send(channel);
    // A channel works in order: what this answers comes after the publish.
    await channel.checkExchange(cluster.topology.entriesExchange);
  });
}

function putMessage(place: Place, message: WireMessage): Promise<void> {
  return put(place, { type: message.type, content: encodeWire(message) });
}

const text = (body: string) => Buffer.from(body);
const header = '"epoch":1,"reign":"r","prevIndex":0,"prevEpoch":0,"commit":0';
const record = (seq: number, more = '') =>
  `{"seq":${seq},"epoch":1,"id":"forged","ts":"2026-01-01T00:00:00.000Z","message":"${FORGED}"${more}}`;
const batchOf = (...records: string[]) => text(`{${header},"records":[\n${records.join(',\n')}\n]}`);
const numbers = '"index":1,"applied":1,"buffered":0';

const MALFORMED: readonly (readonly [string, Put])[] = [
  ['garbage', { type: 'entries', content: Buffer.from([0xff, 0x00, 0x0a, 0xfe, 0x80]) }],
  ['nothing at all', { type: 'entries', content: Buffer.alloc(0) }],
  ['a mebibyte of garbage', { type: 'ack', content: randomBytes(1024 * 1024) }],
  ['text', { type: 'announce', content: text('hello') }],
  ['JSON that is cut short', { type: 'heartbeat', content: text('{"epoch":1,') }],
  ['another kind of JSON', { type: 'announce', content: text('[1,2,3]') }],
  ['null', { type: 'ack', content: text('null') }],
  ['missing fields', { type: 'ack', content: text('{"epoch":1,"reign":"r"}') }],
  ['entries without records', { type: 'entries', content: text(`{${header}}`) }],
  ['entries cut short', { type: 'entries', content: text(`{${header},"records":[\n${record(1)}`) }],
  ['a foreign type', { type: 'order-created', content: text('{"epoch":1,"reign":"r"}') }],
  ['the name of a built-in as its type', { type: '__proto__', content: text('{}') }],
  ['no type', { content: text('{"epoch":1,"reign":"r"}') }],
  ['a negative seq', { type: 'entries', content: batchOf(record(-1)) }],
  ['a seq of 0', { type: 'entries', content: batchOf(record(0)) }],
  ['seqs with a gap', { type: 'entries', content: batchOf(record(1), record(3)) }],
  ['a record of no known control', { type: 'entries', content: batchOf(record(1, ',"control":"format"')) }],
  ['a negative epoch', { type: 'ack', content: text(`{"epoch":-1,"reign":"r","node":"n","store":"s",${numbers}}`) }],
  [
    'a number as text',
    { type: 'heartbeat', content: text(`{"epoch":"1","reign":"r","node":"n","store":"s","httpUrl":"",${numbers}}`) },
  ],
  ['a node id that is no name', { type: 'leave', content: text('{"epoch":1,"reign":"r","node":"../../etc"}') }],
];

describe.each(Object.keys(PLACES) as Place[])('in the %s', (place) => {
  it.each(MALFORMED)(
    '%s is counted and dropped, and what follows is applied',
    onShared(
      () => cluster,
      async (_: string, what: Put) => {
        const { process } = cluster.node(PLACES[place].reader);
        const before = process.linesOf(DROPPED).length;
        await put(place, what);
        await eventually('the reader says that it dropped it', () => {
          expect(process.linesOf(DROPPED)).toHaveLength(before + 1);
        });
        expect(process.linesOf(DROPPED).at(-1)).toMatchObject({
          queue: PLACES[place].queue(),
          bytes: what.content.length,
          type: what.type ?? null,
          level: 40,
        });
        await appendEverywhere(`after ${_} in the ${place}`);
        // Once each: dropped is settled, not put back.
        expect(process.linesOf(DROPPED)).toHaveLength(before + 1);
      },
    ),
  );
});

describe('what parses but does not belong there', () => {
  const someone = { node: 'stranger', store: 'store' };

  it(
    'an ack in the entries queue is dropped',
    onShared(
      () => cluster,
      async () => {
        const sender = { ...(await currentSender()), reign: 'r' };
        await putMessage('entries queue', { type: 'ack', ...sender, ...someone, index: 1, applied: 1 });
        await cluster
          .node('secondary-1')
          .process.line('that it dropped it', ({ msg, type }) => /does not belong/.test(msg) && type === 'ack');
        await appendEverywhere('after an ack in the entries queue');
      },
    ),
  );

  it(
    'signs of life of a node that is no member make it none, and its acks count for nobody',
    onShared(
      () => cluster,
      async () => {
        const sender = await currentSender();
        const index = 1_000_000;
        const join = {
          type: 'join',
          ...sender,
          ...someone,
          storeKind: 'disk',
          ...endIn(sender, 9, 1),
          httpUrl: '',
        } as const;
        await putMessage('replies queue', { type: 'ack', ...sender, ...someone, index, applied: index });
        await putMessage('replies queue', join);
        await putMessage('replies queue', { type: 'leave', ...sender, node: 'stranger' });
        await appendEverywhere('after a stranger');
        expect((await master.health()).secondaries.map(({ id: each }) => each)).toEqual(cluster.secondaryIds);
      },
    ),
  );

  it(
    'entries of an epoch that is over are dropped and counted',
    onShared(
      () => cluster,
      async () => {
        await raiseEpoch();
        const secondary = cluster.node('secondary-1');
        const stale = async () => (await secondary.health<SecondaryHealth>()).counters.staleEpoch;
        const before = await stale();
        const sender = { ...(await currentSender()), epoch: 1, reign: randomReign() };
        await putMessage('entries queue', forged(sender, 1));
        await eventually('it is counted', async () => expect(await stale()).toBe(before + 1));
        await appendEverywhere('after entries of an old epoch');
      },
    ),
  );
});

describe('an epoch that nobody reigns in', () => {
  it.each([
    ['within the log', 1],
    ['far beyond the log', 5_000],
  ])(
    'costs nothing when entries %s are of it: no master has announced it',
    onShared(
      () => cluster,
      async (where: string, prevIndex: number) => {
        const sender = await currentSender();
        await putMessage('entries queue', forged(unknownAfter(sender), prevIndex));
        await appendEverywhere(`after entries ${where} of an unknown epoch`);
        expect((await master.health()).epoch).toBe(sender.epoch);
      },
    ),
  );

  it.each([
    ['an announcement', 'control queue', announcementOf],
    ['a claim', 'control queue', claimOf],
    ['a heartbeat', 'replies queue', heartbeatOf],
  ] as const)(
    'costs an election when %s in the %s tells of it, and appends go on by themselves',
    onShared(
      () => cluster,
      async (what: string, place: Place, messageOf: (sender: Sender) => WireMessage) => {
        const unknown = unknownAfter(await currentSender());
        await putMessage(place, messageOf(unknown));
        await untilReignsAfter(unknown);
        await appendEverywhere(`after ${what} of an unknown epoch`);
      },
    ),
  );

  it(
    'costs an election when it is announced to all secondaries, and appends go on by themselves',
    onShared(
      () => cluster,
      async () => {
        const unknown = unknownAfter(await currentSender());
        const message = announcementOf(unknown);
        const content = Buffer.from(encodeWire(message));
        await publish((channel) =>
          channel.publish(cluster.topology.controlExchange, '', content, { type: message.type }),
        );
        await untilReignsAfter(unknown);
        await appendEverywhere('after an announcement to all');
      },
    ),
  );
});

describe('in the end', () => {
  it(
    'nothing waits in a queue, for nothing was put back',
    onShared(
      () => cluster,
      async () => {
        await cluster.node('secondary-1').stop();
        const queue = cluster.topology.entriesQueue('secondary-1');
        const { messageCount } = await cluster.onBroker((channel) => channel.checkQueue(queue));
        expect(messageCount).toBe(0);
        await cluster.startSecondary('secondary-1');
        const shown = (await cluster.agreed()).map(({ message }) => message);
        expect(shown).not.toContain(FORGED);
        expect(new Set(shown).size).toBe(shown.length);
      },
    ),
  );
});

function randomReign(): string {
  return randomBytes(REIGN_LENGTH / 2).toString('hex');
}

/**
 * What the master says of itself in each announcement: the epoch that the cluster follows now, and
 * its log.
 */
function currentSender(): Promise<Sender> {
  return cluster.onBroker(async (channel) => {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, cluster.topology.controlExchange, '');
    const body = await new Promise<string>((heard, reject) => {
      const take = channel.consume(queue, (message) => heard(String(message?.content)), { noAck: true });
      take.catch(reject);
    });
    const { epoch, reign, log } = JSON.parse(body) as Sender;
    return { epoch, reign, log };
  });
}

/** Makes the cluster elect its master anew, so that epoch 1 is over. */
async function raiseEpoch(): Promise<void> {
  const unknown = unknownAfter(await currentSender());
  await putMessage('replies queue', heartbeatOf(unknown));
  await untilReignsAfter(unknown);
  await appendEverywhere('in a higher epoch');
}

/** Far above what the cluster can reach by itself. */
function unknownAfter({ epoch, log }: Sender): Sender {
  return { epoch: epoch + 998, reign: randomReign(), log };
}

async function untilReignsAfter({ epoch }: Sender): Promise<void> {
  const look = async () => expect((await master.health()).epoch).toBeGreaterThan(epoch);
  await eventually(`the master reigns in an epoch above ${epoch}`, look);
}

/** A batch with one entry after `prevIndex`, which no master has sent. */
function forged(sender: Sender, prevIndex: number): WireMessage {
  const { epoch, log } = sender;
  const entry = { seq: 1, epoch, id: 'forged', ts: '2026-01-01T00:00:00.000Z', message: FORGED };
  const records = [entryRecord(prevIndex + 1, entry)];
  const prev = { prevIndex, prevEpoch: 1, prevReign: log === null ? '' : logIdOf(log) };
  return { type: 'entries', ...sender, ...prev, commit: prevIndex + 1, records };
}

function announcementOf(sender: Sender): WireMessage {
  const node = 'master';
  return { type: 'announce', ...sender, node, headIndex: 7, head: 5, commit: 7, removed: [], httpUrl: '' };
}

function claimOf(sender: Sender): WireMessage {
  const end = endIn(sender, 1_000_000, sender.epoch - 1);
  return { type: 'claim', ...sender, node: 'stranger', store: 'store', ...end };
}

/** The end of a log that nobody has: of this one's identity, in a reign that never was. */
function endIn({ log }: Sender, lastIndex: number, lastEpoch: number) {
  return { lastIndex, lastEpoch, lastReign: randomReign(), lastLog: log, lastSeq: lastIndex };
}

function heartbeatOf(sender: Sender): WireMessage {
  const position = { index: 1_000_000, applied: 1_000_000, buffered: 0 };
  return { type: 'heartbeat', ...sender, node: 'secondary-1', store: 'another-store', ...position, httpUrl: '' };
}

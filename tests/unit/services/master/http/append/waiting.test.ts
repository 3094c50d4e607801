import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { WaitingClient } from '#http/wait-signal';
import type { AppendOutcome, AppendRequest } from '#master/core/append';
import { FakeMaster } from '#tests/support/fakes/master';
import { type HttpService, readToEnd } from '#tests/support/http/http-service';
import { serveMaster } from '#tests/support/http/master-service';

const MEBIBYTE = 2 ** 20;

/** A master whose appends with w=3 wait until the test releases them. */
class WaitingMaster extends FakeMaster {
  readonly changes = new EventEmitter();
  readonly clients: WaitingClient[] = [];
  private readonly release: ((outcome: AppendOutcome) => void)[] = [];

  override append(request: AppendRequest, client: WaitingClient): Promise<AppendOutcome> {
    if (request.writeConcern !== 3) return Promise.resolve(this.acknowledge(request));
    this.clients.push(client);
    return new Promise((resolve) => {
      this.release.push(resolve);
      this.changes.emit('waiting', this.release.length);
    });
  }

  async whenWaiting(count: number): Promise<void> {
    while (this.release.length < count) await once(this.changes, 'waiting');
  }

  releaseAll(outcome: AppendOutcome): void {
    for (const release of this.release.splice(0)) release(outcome);
  }
}

const stopped: AppendOutcome = {
  outcome: 'unresolved',
  problem: 'shutting-down',
  seq: 1,
  id: 'a',
  w: 3,
  acks: ['master'],
  stored: 'unknown',
};
const held: AppendOutcome = {
  outcome: 'acknowledged',
  repeated: false,
  seq: 1,
  entry: Buffer.from('{"seq":1}'),
  w: 3,
  acks: ['master', 'secondary-1', 'secondary-2'],
};

describe('a client that waits for its write concern', () => {
  let master: WaitingMaster;
  let service: HttpService;

  beforeEach(async () => {
    master = new WaitingMaster();
    service = await serveMaster(master, {
      defaultWriteConcern: 'all',
      messageBytesMax: MEBIBYTE,
      bodyBytesMax: 16 * MEBIBYTE,
    });
  });
  afterEach(async () => {
    master.releaseAll(stopped);
    await service.stop();
  });

  const post = (w: number, message = 'm') => service.send('POST', '/messages', { message, w });

  it('tells the master when it leaves', async () => {
    const socket = await postOver(await service.connect(), 'm');
    await master.whenWaiting(1);
    const [client] = master.clients;
    expect(client?.hasLeft).toBe(false);
    const gone = new Promise<void>((resolve) => client?.onLeave(resolve));
    socket.destroy();
    await gone;
    expect(client?.hasLeft).toBe(true);
  });

  it('is not taken for gone once it has its answer', async () => {
    const answer = post(3);
    await master.whenWaiting(1);
    master.releaseAll(held);
    expect((await answer).status).toBe(201);
    expect(master.clients[0]?.hasLeft).toBe(false);
  });

  it('keeps nobody else waiting, be there 500 of them', async () => {
    const answers = Array.from({ length: 500 }, () => post(3));
    await master.whenWaiting(500);
    for (let seq = 1; seq <= 20; seq += 1) expect((await post(1)).json()).toMatchObject({ seq });
    expect((await service.ask({ path: '/messages' })).json()).toHaveLength(20);
    master.releaseAll(held);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(500).fill(201));
  });

  it('does not cost the memory of its message', async () => {
    const clients: Socket[] = [];
    const before = heapUsed();
    for (let at = 0; at < 40; at += 1) {
      const message = String.fromCharCode(97 + (at % 26)).repeat(MEBIBYTE);
      clients.push(await postOver(await service.connect(), message));
    }
    await master.whenWaiting(40);
    expect(heapUsed() - before).toBeLessThan(20 * MEBIBYTE);
    for (const client of clients) client.destroy();
  });

  it('gets its answer when the server stops, on a connection that then ends', async () => {
    const socket = await postOver(await service.connect(), 'm');
    const text = readToEnd(socket);
    await master.whenWaiting(1);
    await service.server.close({ answerBlocked: () => master.releaseAll(stopped) });
    expect(await text).toMatch(/^HTTP\/1\.1 503 .*Connection: close.*"type":"\/problems\/shutting-down"/s);
  });
});

/** An append with w=3, written to the last byte. */
async function postOver(socket: Socket, message: string): Promise<Socket> {
  const body = JSON.stringify({ message, w: 3 });
  const head = `POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  await new Promise<void>((resolve) => socket.write(`${head}\r\n\r\n${body}`, () => resolve()));
  return socket;
}

/** Bytes of live objects, buffers included. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const { heapUsed: objects, external } = process.memoryUsage();
  return objects + external;
}

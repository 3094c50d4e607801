/**
 * The session loop against servers that are no brokers: whatever they do, the loop goes on, closes
 * in time, and nothing escapes.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { AmqpError } from '#amqp/error';
import { AmqpLink, type LinkRole } from '#amqp/link';

/** connection.start with the mechanism PLAIN, as a broker's first frame. */
function startFrame(): Buffer {
  const long = (text: string) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const payload = Buffer.concat([Buffer.from([0, 10, 0, 10, 0, 9, 0, 0, 0, 0]), long('PLAIN'), long('en_US')]);
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(payload.length, 3);
  return Buffer.concat([header, payload, Buffer.from([0xce])]);
}

const manners: Record<string, (socket: Socket) => void> = {
  'hangs up at once': (socket) => socket.destroy(),
  'resets the connection': (socket) => socket.resetAndDestroy(),
  'says nothing': () => undefined,
  'talks nonsense': (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'hangs up in the middle of a frame': (socket) => socket.end(startFrame().subarray(0, 12)),
  'hangs up in the middle of the handshake': (socket) => {
    socket.write(startFrame());
    socket.once('data', () => socket.once('data', () => socket.destroy()));
  },
  'resets in the middle of the handshake': (socket) => {
    socket.write(startFrame());
    socket.once('data', () => socket.once('data', () => socket.resetAndDestroy()));
  },
};

let server: Server;
let sockets: Set<Socket>;
const escaped: unknown[] = [];
const onEscape = (error: unknown) => escaped.push(error);

beforeAll(() => {
  process.on('uncaughtException', onEscape).on('unhandledRejection', onEscape);
});
afterAll(() => {
  process.off('uncaughtException', onEscape).off('unhandledRejection', onEscape);
  expect(escaped).toEqual([]);
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function listen(manner: (socket: Socket) => void): Promise<string> {
  sockets = new Set();
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    manner(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `amqp://127.0.0.1:${address.port}`;
}

interface Traced {
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function roleOf(traced: (line: Traced) => void): LinkRole<void> {
  const unexpected = (what: string) => () => {
    throw new Error(`${what} without a broker`);
  };
  return {
    setUp: unexpected('set-up'),
    up: unexpected('up'),
    down: unexpected('down'),
    blockedChanged: unexpected('blocked'),
    troubleChanged: () => undefined,
    callbackThrew: (error) => escaped.push(error),
    trace: (level, event, fields) => traced({ level, event, fields }),
  };
}

const FAST = {
  heartbeatS: 5,
  connections: 2 as const,
  node: 'n',
  retry: { delayMsMin: 1, delayMsMax: 5 },
  connectTimeoutMs: 60,
};

describe.each(Object.entries(manners))('a server that %s', (_, manner) => {
  it('is tried again for ever, warned of once', async () => {
    const url = await listen(manner);
    const lines: Traced[] = [];
    await new Promise<void>((enough) => {
      const link = new AmqpLink<void>(
        { ...FAST, urls: [url] },
        roleOf((line) => {
          lines.push(line);
          if (lines.length === 4) void link.close().then(enough);
        }),
      );
      link.start();
    });
    const troubles = lines.map(({ fields }) => fields.code);
    // On a busy machine the bound of the connection can pass first: another trouble, so another
    // warning.
    const expected = troubles.map((code, at) => (code === troubles[at - 1] ? 'debug' : 'warn'));
    expect(lines.map(({ level }) => level)).toEqual(expected);
    expect(lines[0]?.event).toBe('broker.unreachable');
    expect(['unreachable', 'timeout']).toContain(lines[0]?.fields.code);
  });

  it('is left within the bound, whenever', async () => {
    const url = await listen(manner);
    const link = new AmqpLink<void>(
      { ...FAST, connectTimeoutMs: 5000, urls: [url] },
      roleOf(() => undefined),
    );
    link.start();
    const startedMs = performance.now();
    await link.close();
    expect(performance.now() - startedMs).toBeLessThan(500);
    expect(link.status()).toMatchObject({ connected: false, blocked: false, up: false });
  });
});

it('the addresses are tried in turn', async () => {
  const url = await listen((socket) => socket.destroy());
  const seen: unknown[] = [];
  await new Promise<void>((enough) => {
    const urls = [url, 'amqp://127.0.0.1:1', 'http://127.0.0.1'];
    const link = new AmqpLink<void>(
      { ...FAST, urls },
      roleOf(({ fields }) => {
        seen.push(fields.url);
        if (seen.length === 4) void link.close().then(enough);
      }),
    );
    link.start();
  });
  expect(seen).toEqual([url, 'amqp://127.0.0.1:1', 'http://127.0.0.1', url]);
});

it('the backoff grows with the rounds, not with the addresses that nobody has', async () => {
  const url = await listen((socket) => socket.destroy());
  const startedMs = performance.now();
  let attempts = 0;
  await new Promise<void>((enough) => {
    const link = new AmqpLink<void>(
      // Doubled twelve times, the first delay would be four seconds.
      {
        ...FAST,
        retry: { delayMsMin: 1, delayMsMax: 60_000 },
        urls: [url, 'amqp://127.0.0.1:1', 'amqp://127.0.0.1:2'],
      },
      roleOf(() => {
        attempts += 1;
        if (attempts === 13) void link.close().then(enough);
      }),
    );
    link.start();
  });
  expect(performance.now() - startedMs).toBeLessThan(1000);
});

it('a link that was never started closes, and no address is a fault', async () => {
  await listen(() => undefined);
  await new AmqpLink<void>(
    { ...FAST, urls: ['amqp://127.0.0.1:1'] },
    roleOf(() => undefined),
  ).close();
  expect(
    () =>
      new AmqpLink<void>(
        { ...FAST, urls: [] },
        roleOf(() => undefined),
      ),
  ).toThrow('a link needs an address');
  expect(new AmqpError('x', { code: 'closed', blastRadius: 'connection' }).name).toBe('AmqpError');
});

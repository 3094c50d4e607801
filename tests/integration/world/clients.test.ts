/**
 * What clients and operators do to a cluster, by mistake or not, on real processes and a real
 * broker: each story is named by what they did.
 */
import { connect, type Socket } from 'node:net';
import { eventually } from '#tests/support/eventually';
import { onCluster, type RealNode } from '#tests/support/real/cluster';

jest.setTimeout(120_000);

const AT_ONCE_MS = 10_000;
const JSON_TYPE = { 'Content-Type': 'application/json' };
/** Several times what the kernel buffers for a connection that is not read. */
const LONG_READ = { lines: 400, bytes: 64 * 1024 };

it(
  'a client writes w and timeoutMs into the URL, and is not left to wait',
  onCluster({}, async (cluster) => {
    const master = await cluster.start(['secondary-1']);
    const body = '{"message": "from curl"}';
    const post = (path: string) => master.ask({ method: 'POST', path, headers: JSON_TYPE, body, withinMs: AT_ONCE_MS });
    expect((await post('/messages?w=1&timeoutMs=200')).status).toBe(201);
    const late = await post('/messages?w=3&timeoutMs=200');
    expect(late.json()).toMatchObject({ status: 504, stored: true, w: 3, committed: expect.any(Boolean) });
    const misspelt = await post('/messages?w=3&timeoutMS=200');
    expect(misspelt.json().detail).toBe('timeoutMS: did you mean timeoutMs?');
    expect((await master.entries()).length).toBe(2);
  }),
);

it(
  'an entry that timed out below the majority says so, and is committed once a secondary is back',
  onCluster({ env: { SUSPECT_AFTER_MS: '60000', UNHEALTHY_AFTER_MS: '61000' } }, async (cluster) => {
    const master = await cluster.start();
    await Promise.all(cluster.secondaryIds.map((id) => cluster.node(id).kill()));
    const late = await master.post({ message: 'alone', w: 2, timeoutMs: 200, id: 'alone' });
    expect(late.json()).toMatchObject({ status: 504, stored: true, committed: false, acks: ['master'] });
    expect(late.json().detail).toContain('a later master may keep it or remove it');
    await cluster.startSecondary('secondary-1');
    expect((await master.post({ message: 'alone', w: 2, id: 'alone' })).status).toBe(200);
    expect((await master.get('/messages/1/replication')).json()).toMatchObject({ committed: true });
  }),
);

it(
  'a client gathers the appends of many callers in one request: each has its own outcome, a retry appends nothing',
  onCluster({}, async (cluster) => {
    const master = await cluster.start(['secondary-1']);
    const lines = [
      ...Array.from({ length: 500 }, (_, at) => JSON.stringify({ message: `Msg${at}`, id: `id-${at}`, w: 2 })),
      '{"message": "absent", "id": "absent", "w": 3, "timeoutMs": 300}',
      'not json',
      '{"message": "other", "id": "id-7", "w": 2}',
    ];
    const headers = { 'Content-Type': 'application/x-ndjson' };
    const post = async () => {
      const path = '/messages?atomic=false';
      const answer = await master.ask({ method: 'POST', path, headers, body: lines.join('\n') });
      expect(answer.status).toBe(200);
      return answer.text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { status: number; seq?: number; stored?: unknown });
    };
    const first = await post();
    expect(first.map(({ status }) => status)).toEqual([...Array(500).fill(201), 504, 400, 409]);
    expect(first.slice(0, 501).map(({ seq }) => seq)).toEqual(Array.from({ length: 501 }, (_, at) => at + 1));
    expect(first.slice(500).map(({ stored }) => stored)).toEqual([true, false, false]);
    const again = await post();
    expect(again.map(({ status }) => status)).toEqual([...Array(500).fill(200), 504, 400, 409]);
    expect(again.map(({ seq }) => seq)).toEqual(first.map(({ seq }) => seq));
    const expected = [...Array.from({ length: 500 }, (_, at) => `Msg${at}`), 'absent'];
    for (const node of [master, cluster.node('secondary-1')])
      await eventually('it has them all', async () =>
        expect((await node.entries()).map(({ message }) => message)).toEqual(expected),
      );
  }),
);

it(
  'readers open a long log and read nothing: they are cut off, on either role, and memory is given back',
  onCluster({ env: { STALLED_AFTER_MS: '500', MAX_READERS: '20' } }, async (cluster) => {
    const master = await cluster.start(['secondary-1']);
    const message = 'x'.repeat(LONG_READ.bytes);
    for (let at = 0; at < LONG_READ.lines; at += 100) {
      const answer = await master.ask({
        method: 'POST',
        path: '/messages?w=2',
        headers: { 'Content-Type': 'application/x-ndjson' },
        body: `${JSON.stringify(message)}\n`.repeat(100),
      });
      expect(answer.status).toBe(201);
    }
    for (const node of [master, cluster.node('secondary-1')]) {
      const readers = await Promise.all(Array.from({ length: 20 }, () => stall(node)));
      const full = await eventually('there is no place', async () => {
        const answer = await node.get('/messages?limit=1');
        expect(answer.status).toBe(503);
        return answer;
      });
      expect(full.json()).toMatchObject({ type: '/problems/overloaded' });
      await eventually('there is a place', async () => expect((await node.get('/messages?limit=1')).status).toBe(200));
      for (const reader of readers) reader.destroy();
    }
    expect((await master.post({ message: 'after', w: 2 })).status).toBe(201);
  }),
);

it(
  'uploads stop in the middle, and the next append has room',
  onCluster(
    {
      env: {
        STALLED_AFTER_MS: '500',
        MAX_BODY_BYTES: '1000000',
        MAX_IN_FLIGHT_BYTES: '1000000',
        MAX_MESSAGE_BYTES: '900000',
      },
    },
    async (cluster) => {
      const master = await cluster.start(['secondary-1']);
      const head =
        'POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 900000';
      const uploads = await Promise.all(
        Array.from({ length: 4 }, () => open(master, `${head}\r\n\r\n${' '.repeat(300_000)}`)),
      );
      const large = { message: 'y'.repeat(800_000), w: 2 };
      await eventually('there is room', async () => expect((await master.post(large)).status).toBe(201), {
        withinMs: AT_ONCE_MS,
      });
      for (const upload of uploads) upload.destroy();
    },
  ),
);

it(
  'a page in a browser calls the nodes by a name of its own, and is refused',
  onCluster({}, async (cluster) => {
    const master = await cluster.start(['secondary-1']);
    for (const node of [master, cluster.node('secondary-1')]) {
      const answer = await node.ask({ path: '/messages', headers: { Host: 'rebound.example' } });
      expect(answer.json()).toMatchObject({ status: 421, type: '/problems/misdirected-request' });
    }
  }),
);

it(
  'an operator misspells a setting and pastes a token with its line end: the one is named, the other works',
  onCluster({}, async (cluster) => {
    const master = await cluster.startMaster({ SECONDARYS: 'secondary-1', API_TOKEN: 'secret\n' });
    const warned = await master.process.line(
      'names it',
      ({ msg }) => msg === 'a variable of the environment is ignored',
    );
    expect(warned).toMatchObject({ variable: 'SECONDARYS', message: 'is no setting; did you mean SECONDARIES?' });
    expect((await master.get('/health')).status).toBe(401);
    expect((await master.ask({ path: '/health', headers: { Authorization: 'Bearer secret' } })).status).toBe(200);
  }),
);

/** An open connection with this much of a request on it, of whose answer nothing is read. */
function open(node: RealNode, request: string): Promise<Socket> {
  const { hostname, port } = new URL(node.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.pause();
      socket.write(request);
      resolve(socket);
    });
    socket.once('error', reject).on('error', () => undefined);
  });
}

const stall = (node: RealNode) => open(node, 'GET /messages HTTP/1.1\r\nHost: localhost\r\n\r\n');

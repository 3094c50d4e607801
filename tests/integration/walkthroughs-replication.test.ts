/**
 * Iterations 0 to 2 as a user walks through them, on real processes: the echo, blocking
 * replication, and the write concern.
 *
 * Delays are real, times are never compared with a clock but from below: an answer must not come
 * before the delay it waits for. What "meanwhile" means is shown by looking at the nodes in the
 * moment an answer comes.
 */
import { ask } from '../support/http/ask';
import { onCluster } from '../support/real/cluster';
import { RealProcess } from '../support/real/process';

jest.setTimeout(120_000);

/** Long enough that looking at two nodes takes less, on a busy machine too. */
const FAST_MS = 2_000;
const SLOW_MS = 5_000;

describe('iteration 0: the echo', () => {
  let server: RealProcess;
  let url: string;

  beforeAll(async () => {
    server = RealProcess.start({ name: 'echo server', script: 'services/echo/server.js', env: { HTTP_PORT: '0' } });
    url = String((await server.line('that it listens', ({ msg }) => msg === 'listening')).url);
  });
  afterAll(() => server.end('SIGKILL'));

  function runClient(args: readonly string[], echoUrl = url): RealProcess {
    return RealProcess.start({
      name: 'echo client',
      script: 'services/echo/client.js',
      args,
      env: { ECHO_URL: echoUrl },
    });
  }

  it('the client prints what the server sent back, and both log the exchange without the text', async () => {
    const client = runClient(['hello', 'wörld 🙂']);
    expect(await client.exited).toEqual({ code: 0, signal: null });
    expect(client.said.stdout).toBe('hello wörld 🙂\n');
    expect(client.lines.map(({ msg }) => msg)).toEqual(['request', 'response']);
    const echo = await server.line('the echo', ({ msg }) => msg === 'echo');
    expect(echo.bytes).toBe(Buffer.byteLength('hello wörld 🙂'));
    expect(echo.requestId).toBe(client.linesOf('response')[0]?.requestId);
    expect(JSON.stringify(server.lines)).not.toContain('hello');
  });

  it('a client without a server says so and ends with a failure', async () => {
    const gone = RealProcess.start({ name: 'echo server', script: 'services/echo/server.js', env: { HTTP_PORT: '0' } });
    const { url: closed } = await gone.line('that it listens', ({ msg }) => msg === 'listening');
    await gone.end('SIGTERM');
    const client = runClient(['hello'], String(closed));
    expect(await client.exited).toEqual({ code: 69, signal: null });
    expect(JSON.stringify(client.lines)).toContain('no echo server answers');
  });

  it('a body without a message is refused with a problem', async () => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await ask(url, { method: 'POST', path: '/echo', headers, body: '{}' });
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ type: '/problems/invalid-request' });
  });
});

describe('iteration 1: blocking replication', () => {
  it(
    'a POST without w is answered only when all secondaries hold the entry, so a slow one is waited for',
    onCluster({}, async (cluster) => {
      const slow = cluster.startSecondary('secondary-1', { DELAY_MS: String(FAST_MS) });
      const [master] = await Promise.all([cluster.startMaster(), slow, cluster.startSecondary('secondary-2')]);
      await cluster.ready(master);

      const seen: string[] = [];
      const startedAt = performance.now();
      const answered = master.post({ message: 'first' }).then((answer) => {
        seen.push('answered');
        return { answer, elapsedMs: performance.now() - startedAt };
      });
      await cluster.node('secondary-2').untilShows(['first']);
      seen.push('the fast one shows it');
      expect(await cluster.node('secondary-1').messages()).toEqual([]);

      const { answer, elapsedMs } = await answered;
      expect(seen).toEqual(['the fast one shows it', 'answered']);
      expect(answer.status).toBe(201);
      expect(answer.headers.location).toBe('/messages/1');
      const { acks, ...body } = answer.json();
      expect(body).toMatchObject({ seq: 1, message: 'first', w: 3 });
      expect([...(acks as string[])].sort()).toEqual(['master', 'secondary-1', 'secondary-2']);
      for (const node of cluster.nodes) expect(await node.messages()).toEqual(['first']);
      expect(elapsedMs).toBeGreaterThanOrEqual(FAST_MS);
    }),
  );

  it(
    'messages of one client after the other are shown in the order of their answers on every node',
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      const texts = ['a', 'b', 'c', 'd', 'e'];
      for (const message of texts) expect((await master.post({ message })).status).toBe(201);
      for (const node of cluster.nodes) expect(await node.messages()).toEqual(texts);
    }),
  );
});

describe('iteration 2: write concern', () => {
  it(
    'w=1, 2 and 3 are answered after no, the fastest and the slowest secondary, and nodes differ meanwhile',
    onCluster({}, async (cluster) => {
      const [master, fast, slow] = await Promise.all([
        cluster.startMaster(),
        cluster.startSecondary('secondary-1', { DELAY_MS: String(FAST_MS) }),
        cluster.startSecondary('secondary-2', { DELAY_MS: String(SLOW_MS) }),
      ]);
      await cluster.ready(master);

      const startedAt = performance.now();
      const order: number[] = [];
      const append = async (w: number) => {
        const answer = await master.post({ message: `w=${w}`, w });
        const elapsedMs = performance.now() - startedAt;
        order.push(w);
        const [onFast, onSlow] = await Promise.all([fast.messages(), slow.messages()]);
        return { status: answer.status, acks: answer.json().acks, elapsedMs, onFast, onSlow, text: `w=${w}` };
      };
      const three = append(3);
      const two = append(2);
      const one = await append(1);
      expect(one).toMatchObject({ status: 201, acks: ['master'], onFast: [], onSlow: [] });
      expect((await master.messages()).sort()).toEqual(['w=1', 'w=2', 'w=3']);

      const atTwo = await two;
      expect(atTwo).toMatchObject({ status: 201, acks: ['master', 'secondary-1'], onSlow: [] });
      expect(atTwo.onFast).toContain('w=2');
      expect(atTwo.elapsedMs).toBeGreaterThanOrEqual(FAST_MS);

      const atThree = await three;
      expect(atThree).toMatchObject({ status: 201, acks: ['master', 'secondary-1', 'secondary-2'] });
      expect(atThree.onSlow).toContain('w=3');
      expect(atThree.elapsedMs).toBeGreaterThanOrEqual(SLOW_MS);
      expect(order).toEqual([1, 2, 3]);
      await cluster.agreed(3);
    }),
  );

  it(
    'an id appends once: repeats get the first seq, another message a conflict, however they come',
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      const first = await master.post({ message: 'paid', id: 'order-1' });
      expect(first.status).toBe(201);

      const again = await master.post({ message: 'paid', id: 'order-1' });
      expect(again.status).toBe(200);
      expect(again.json()).toMatchObject({ seq: 1, id: 'order-1', message: 'paid', ts: first.json().ts });
      const byHeader = await master.post({ message: 'paid' }, { headers: { 'Idempotency-Key': 'order-1' } });
      expect(byHeader.status).toBe(200);
      expect(byHeader.json()).toMatchObject({ seq: 1 });

      const other = await master.post({ message: 'refunded', id: 'order-1' });
      expect(other.status).toBe(409);
      expect(other.json()).toMatchObject({ type: '/problems/id-conflict', seq: 1, stored: false });

      expect((await cluster.agreed(1)).map(({ id, message }) => [id, message])).toEqual([['order-1', 'paid']]);
    }),
  );

  it(
    'requests with the same ids that race each other append each id once, and all hear the same seq',
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      // Round by round, so that each id is asked for again while its first request is on its way to
      // the disk.
      const rounds = Array.from({ length: 10 }, () => Array.from({ length: 20 }, (_, id) => `order-${id}`));
      const answers = await Promise.all(rounds.flat().map((id) => master.post({ message: `of ${id}`, id, w: 2 })));
      expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(180);

      const entries = await cluster.agreed(20);
      expect(new Set(entries.map(({ id }) => id)).size).toBe(20);
      const seqOf = new Map(entries.map(({ id, seq }) => [id, seq]));
      for (const answer of answers) expect(answer.json().seq).toBe(seqOf.get(String(answer.json().id)));
    }),
  );

  it(
    'an id that is waited for is not appended again: the repeat waits for its own w',
    onCluster({}, async (cluster) => {
      const master = await cluster.start(['secondary-1']);
      const blocked = master.post({ message: 'one', id: 'x', w: 3 });
      await master.untilShows(['one']);
      const weaker = await master.post({ message: 'one', id: 'x', w: 2 });
      expect(weaker.status).toBe(200);
      expect(weaker.json()).toMatchObject({ seq: 1, acks: ['master', 'secondary-1'], w: 2 });
      await cluster.startSecondary('secondary-2');
      expect((await blocked).status).toBe(201);
      await cluster.agreed(1);
    }),
  );
});

/**
 * Many clients at once, on real processes: one order for all, and nobody waits for what somebody
 * else asked for.
 */

import { PrefixWatch } from '../support/checks/prefix-watch';
import { eventually } from '../support/eventually';
import type { Answer } from '../support/http/ask';
import { onCluster, type RealNode } from '../support/real/cluster';

jest.setTimeout(150_000);

const UP_ONLY = ['secondary-1'];

it(
  '100 parallel appends with w=3 get one order on every node, and readers see nothing but prefixes of it',
  onCluster({ env: { LOG_LEVEL: 'info' } }, async (cluster) => {
    const master = await cluster.start();
    const readers = new PrefixWatch(cluster.nodes);
    const answers = await Promise.all(texts('parallel', 100).map((message) => master.post({ message, w: 3 })));
    await readers.stop();

    expect(answers.every(({ status }) => status === 201)).toBe(true);
    // An answer with w=3 means that every node shows the entry: no waiting is needed before this
    // look.
    const [ofMaster, ...ofOthers] = await Promise.all(cluster.nodes.map((node) => node.entries()));
    for (const entries of ofOthers) expect(entries).toEqual(ofMaster);
    expect(ofMaster?.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    const answered = answers.map((answer) => [answer.json().seq, answer.json().message]);
    const shown = ofMaster?.map(({ seq, message }) => [seq, message]);
    expect(answered.sort(bySeq)).toEqual(shown);
    expect(readers.looks).toBeGreaterThan(cluster.nodes.length);
  }),
);

it(
  '200 clients that wait for an absent node hold nobody up, and all are answered when it comes',
  onCluster({ env: { LOG_LEVEL: 'info' } }, async (cluster) => {
    const master = await cluster.start(UP_ONLY);
    let released = 0;
    const blocked = texts('blocked', 200).map(async (message) => {
      const answer = await master.post({ message, w: 3 });
      released += 1;
      return answer;
    });
    await untilHead(master, 200);

    for (const message of texts('w=1', 20)) expect((await master.post({ message, w: 1 })).status).toBe(201);
    for (const message of texts('w=2', 20)) expect((await master.post({ message, w: 2 })).status).toBe(201);
    expect(released).toBe(0);

    await cluster.startSecondary('secondary-2');
    const answers = await Promise.all(blocked);
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 200 }, () => 201));
    for (const answer of answers) expect(answer.json().acks).toHaveLength(3);
    expect(new Set(answers.map((answer) => answer.json().seq)).size).toBe(200);
    await cluster.agreed(240);
  }),
);

it(
  'a client that hangs up stops waiting, and its entry stays',
  onCluster({}, async (cluster) => {
    const master = await cluster.start(UP_ONLY);
    const hangUp = new AbortController();
    const headers = { 'X-Request-Id': 'impatient' };
    const waiting = master.post({ message: 'left behind', w: 3, id: 'left' }, { headers, signal: hangUp.signal });
    await master.untilShows(['left behind']);
    hangUp.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
    const done = await master.process.line('the end of the request', ({ requestId }) => requestId === 'impatient');
    expect(done).toMatchObject({ msg: 'request done', complete: false });

    const late = await cluster.startSecondary('secondary-2');
    await late.untilShows(['left behind']);
    const repeated = await master.post({ message: 'left behind', w: 3, id: 'left' });
    expect(repeated.status).toBe(200);
    expect(repeated.json()).toMatchObject({ seq: 1 });
  }),
);

it(
  'a client whose time is up hears that its entry is stored, and the entry goes on to all nodes',
  onCluster({}, async (cluster) => {
    const master = await cluster.start(UP_ONLY);
    const timedOut = await master.post({ message: 'slow', w: 3, timeoutMs: 2_000, id: 'slow' });
    expect(timedOut.status).toBe(504);
    expect(timedOut.headers['content-type']).toBe('application/problem+json');
    expect(timedOut.json()).toMatchObject({
      type: '/problems/write-concern-timeout',
      stored: true,
      seq: 1,
      id: 'slow',
      w: 3,
      acks: ['master', 'secondary-1'],
    });
    const atOnce = await master.post({ message: 'no time', w: 3, timeoutMs: 0 });
    expect(atOnce.status).toBe(504);
    expect(atOnce.json()).toMatchObject({ stored: true, seq: 2 });

    const late = await cluster.startSecondary('secondary-2');
    await late.untilShows(['slow', 'no time']);
    const retried = await master.post({ message: 'slow', w: 3, id: 'slow' });
    expect(retried.status).toBe(200);
    expect(retried.json()).toMatchObject({ seq: 1, acks: expect.arrayContaining(['secondary-2']) });
    await cluster.agreed(2);
  }),
);

it(
  'appends with every write concern at once are answered each at its own, and number without a gap',
  onCluster({ env: { LOG_LEVEL: 'info' } }, async (cluster) => {
    const master = await cluster.start();
    const concerns = [1, 2, 3, 'majority', 'all'];
    const appends = texts('mixed', 150).map((message, at) => master.post({ message, w: concerns[at % 5] }));
    const answers = await Promise.all(appends);
    answers.forEach((answer, at) => void expectHeld(answer, [1, 2, 3, 2, 3][at % 5] ?? 0));
    expect(answers.map((answer) => Number(answer.json().seq)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 150 }, (_, at) => at + 1),
    );
    await cluster.agreed(150);
  }),
);

function texts(what: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${what} ${at}`);
}

function bySeq([a]: unknown[], [b]: unknown[]): number {
  return Number(a) - Number(b);
}

function expectHeld(answer: Answer, w: number): void {
  expect(answer.status).toBe(201);
  const { acks, w: resolved } = answer.json();
  expect(resolved).toBe(w);
  expect((acks as string[]).length).toBeGreaterThanOrEqual(w);
}

async function untilHead(master: RealNode, head: number): Promise<void> {
  await eventually(`the head is ${head}`, async () => expect((await master.health()).head).toBe(head));
}

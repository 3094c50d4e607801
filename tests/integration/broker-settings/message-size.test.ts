/**
 * A broker that takes smaller messages than most (`max_message_size`). Batches and answers to
 * fetches shrink; an entry that no message could carry is refused before it has a seq; one that is
 * in the log is named, and everything else goes on.
 */
import { eventually } from '#tests/support/eventually';
import { onCluster, type RealCluster } from '#tests/support/real/cluster';
import { launchStrictBroker, type StrictBroker } from '#tests/support/real/strict-broker';

const TEST_MS = 90_000;
const LIMIT = 262_144;
const AS_EVER = 16_777_216;
const TOO_LARGE = 'x'.repeat(600_000);
const VICTIM = 'secondary-1';

let broker: StrictBroker;

beforeAll(async () => {
  broker = await launchStrictBroker();
}, 180_000);
beforeEach(() => takesUpTo(LIMIT));
afterAll(() => broker?.stop());

/** RabbitMQ 4 keeps the setting in a persistent term, which 3.10 reads anew with each channel. */
async function takesUpTo(bytes: number): Promise<void> {
  const set = `application:set_env(rabbit, max_message_size, ${bytes}), persistent_term:put(max_message_size, ${bytes}).`;
  await broker.ctl('eval', set);
}

function play(env: Readonly<Record<string, string>>, story: (cluster: RealCluster) => Promise<void>) {
  return () => onCluster({ brokerUrl: broker.url, env }, story)();
}

async function expectTaken(cluster: RealCluster, message: string, w: number | 'all'): Promise<void> {
  const answer = await cluster.master.post({ message, w, timeoutMs: 20_000 });
  expect([answer.status, answer.text.slice(-200)]).toEqual([201, expect.anything()]);
}

function postLines(cluster: RealCluster, body: string, query = '') {
  const headers = { 'Content-Type': 'application/x-ndjson' };
  return cluster.master.ask({ method: 'POST', path: `/messages${query}`, headers, body });
}

async function warningOf(cluster: RealCluster): Promise<string | undefined> {
  return (await cluster.master.health<{ warning?: string }>()).warning;
}

it(
  'an entry that the broker does not take is refused with 413 and nothing of it is stored; the next is taken',
  play({}, async (cluster) => {
    await cluster.start();
    const refused = await cluster.master.post({ message: TOO_LARGE, w: 2, id: 'large' });
    expect(refused.status).toBe(413);
    expect(refused.json()).toMatchObject({ type: '/problems/too-large', stored: false, brokerBytesMax: LIMIT });
    await expectTaken(cluster, 'small', 'all');
    await expectTaken(cluster, 'x'.repeat(LIMIT - 5_000), 'all');
    const lines = [JSON.stringify('a'), JSON.stringify(TOO_LARGE)].join('\n');
    const bulk = await postLines(cluster, lines);
    expect([bulk.status, bulk.json()]).toEqual([413, expect.objectContaining({ stored: false, lines: [2] })]);
    const { broker: link, head } = await cluster.master.health<{ broker: object; head: number }>();
    expect([link, head]).toEqual([expect.objectContaining({ connected: true, blocked: false }), 2]);
    // Nobody was thrown out for it.
    expect(cluster.master.process.linesOf('the session with the broker ended')).toEqual([]);
  }),
  TEST_MS,
);

it(
  'batches and answers to fetches shrink to what the broker takes',
  play({}, async (cluster) => {
    await cluster.start();
    const lines = Array.from({ length: 100 }, (_, at) => JSON.stringify(`${at} ${'y'.repeat(20_000)}`));
    const bulk = await postLines(cluster, lines.join('\n'), '?w=all&timeoutMs=20000');
    expect(bulk.status).toBe(201);
    // Without its queue's content and its own, the node fetches all of it.
    await cluster.node(VICTIM).kill();
    await cluster.onBroker((channel) => channel.purgeQueue(cluster.topology.entriesQueue(VICTIM)));
    await cluster.startSecondary(VICTIM, { DATA_DIR: `${cluster.dataDirOf(VICTIM)}-anew` });
    await cluster.agreed(100);
  }),
  TEST_MS,
);

it(
  'an entry that is in the log already is named in /health; the rest goes on, and it passes when the broker takes it',
  play({}, async (cluster) => {
    await takesUpTo(AS_EVER);
    await cluster.start();
    await expectTaken(cluster, 'x'.repeat(1_000_000), 'all');
    await cluster.node(VICTIM).kill();
    await takesUpTo(LIMIT);
    // A new session, whose channels have the new limit, and another store that lacks the entry.
    await broker.ctl('close_all_connections', '--vhost', '/', 'restarted with other settings');
    await cluster.onBroker((channel) => channel.purgeQueue(cluster.topology.entriesQueue(VICTIM)));
    await cluster.startSecondary(VICTIM, { DATA_DIR: `${cluster.dataDirOf(VICTIM)}-anew` });
    await eventually('the entry is named, with what to do', async () =>
      expect(await warningOf(cluster)).toMatch(/entry 1 makes a message of 100\d+ bytes.*262144.*max_message_size/),
    );
    await expectTaken(cluster, 'others go on', 2);
    await takesUpTo(AS_EVER);
    await broker.ctl('close_all_connections', '--vhost', '/', 'restarted with the old settings');
    await cluster.agreed(2);
    await eventually('it is named no more', async () => expect(await warningOf(cluster)).toBeUndefined());
  }),
  TEST_MS,
);

it(
  'an entry that got its seq while the broker was unknown stops neither reads nor appends with w=1',
  play({ QUORUM_APPEND: 'false' }, async (cluster) => {
    await cluster.start();
    await broker.ctl('suspend_listeners');
    await broker.ctl('close_all_connections', '--vhost', '/', 'gone for a while');
    await eventually('the master has no session', async () => {
      expect((await cluster.master.health()).broker.connected).toBe(false);
    });
    await expectTaken(cluster, TOO_LARGE, 1);
    await broker.ctl('resume_listeners');
    await eventually('the entry is named, with what to do', async () =>
      expect(await warningOf(cluster)).toMatch(/entry 1 makes a message of 60\d+ bytes.*max_message_size/),
    );
    await expectTaken(cluster, 'small', 1);
    expect((await cluster.master.health()).broker).toMatchObject({ connected: true, blocked: false });
    await takesUpTo(AS_EVER);
    await broker.ctl('close_all_connections', '--vhost', '/', 'restarted with the old settings');
    await cluster.agreed(2);
  }),
  TEST_MS,
);

it(
  'no answer to a fetch is larger than any broker takes, whatever the messages',
  play({ MAX_MESSAGE_BYTES: String(2.5 * 2 ** 20) }, async (cluster) => {
    await takesUpTo(AS_EVER);
    await cluster.start();
    // A fetch reads up to the record that passes 1 MiB: here that one is of 15 MiB.
    for (let at = 0; at < 3; at += 1) await expectTaken(cluster, 'z'.repeat(349_000), 'all');
    await expectTaken(cluster, '\u0000'.repeat(2.5 * 2 ** 20), 'all');
    await cluster.node(VICTIM).kill();
    await cluster.onBroker((channel) => channel.purgeQueue(cluster.topology.entriesQueue(VICTIM)));
    await cluster.startSecondary(VICTIM, { DATA_DIR: `${cluster.dataDirOf(VICTIM)}-anew` });
    await cluster.agreed(4);
  }),
  TEST_MS,
);

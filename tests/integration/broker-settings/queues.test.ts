/**
 * Queues of the log that are otherwise than the master declares them: other arguments, another type,
 * a policy of the broker's operator. The log works with all of them, and says what is in its way.
 */
import type { QueueType } from '#protocol/topology';
import { eventually } from '#tests/support/eventually';
import { onCluster, type RealCluster } from '#tests/support/real/cluster';
import { launchStrictBroker, type StrictBroker } from '#tests/support/real/strict-broker';

const TEST_MS = 90_000;
const VICTIM = 'secondary-1';
const RENEWED = 'the queue of a member has other settings: it is deleted and declared anew, the member fetches';

let broker: StrictBroker;

beforeAll(async () => {
  broker = await launchStrictBroker();
}, 180_000);
afterAll(() => broker?.stop());

interface Health {
  readonly status: string;
  readonly warning?: string;
  readonly broker: { readonly policies?: string };
}

function play(env: () => Readonly<Record<string, string>>, story: (cluster: RealCluster) => Promise<void>) {
  return () => onCluster({ brokerUrl: broker.url, env: env() }, story)();
}

interface Queues {
  readonly type: QueueType;
  readonly maxBytes?: string;
}

function envOf({ type, maxBytes }: Queues): Record<string, string> {
  return { QUEUE_TYPE: type, ...(maxBytes === undefined ? {} : { QUEUE_MAX_BYTES: maxBytes }) };
}

async function append(cluster: RealCluster, message: string, w: number | 'all'): Promise<void> {
  expect((await cluster.master.post({ message, w, timeoutMs: 20_000 })).status).toBe(201);
}

it.each<[string, Queues, Queues]>([
  ['another QUEUE_MAX_BYTES', { type: 'classic' }, { type: 'classic', maxBytes: '1000000' }],
  ['QUEUE_TYPE=quorum in place of classic', { type: 'classic' }, { type: 'quorum' }],
  ['QUEUE_TYPE=classic in place of quorum', { type: 'quorum' }, { type: 'classic' }],
])(
  'after a restart with %s the queues are declared anew: what was in them is fetched, and who waits for all is answered',
  (_, before, after) =>
    play(
      () => envOf(before),
      async (cluster) => {
        await cluster.start();
        await append(cluster, 'one', 'all');
        await cluster.node(VICTIM).stop();
        await append(cluster, 'two, which waits in the queue', 2);
        await cluster.master.stop();
        const master = await cluster.startMaster(envOf(after));
        await cluster.ready(master, ['secondary-2']);
        expect(master.process.linesOf(RENEWED).length).toBe(2);
        const waiting = append(cluster, 'three, which waits for all', 'all');
        await append(cluster, 'four', 2);
        await cluster.startSecondary(VICTIM);
        await waiting;
        await cluster.agreed(4);
      },
    )(),
  TEST_MS,
);

it(
  'a queue of a stranger in the place of a member is declared anew when the master starts',
  play(
    () => ({}),
    async (cluster) => {
      await cluster.onBroker((channel) =>
        channel.assertQueue(cluster.topology.entriesQueue(VICTIM), { durable: true }),
      );
      await cluster.start();
      expect(cluster.master.process.linesOf(RENEWED).length).toBe(1);
      await append(cluster, 'one', 'all');
    },
  ),
  TEST_MS,
);

it.each([
  // Classic queues have no delivery limit.
  ['a delivery limit', { 'delivery-limit': 1 }, '^LOG\\.entries\\.', 'entries.secondary-1', 'quorum'],
  ['a message TTL', { 'message-ttl': 60_000 }, '^LOG\\.entries\\.', 'entries.secondary-1', 'classic'],
  ['an expiry', { expires: 600_000 }, '^LOG\\.entries\\.', 'entries.secondary-1', 'quorum'],
  ['a length', { 'max-length': 3 }, '^LOG\\.', 'replies', 'classic'],
] as const)(
  'a policy that sets %s is named in /health with the queue, until it is gone',
  (_, definition, pattern, queue, type) =>
    play(
      () => ({ MANAGEMENT_URL: broker.management, QUEUE_TYPE: type }),
      async (cluster) => {
        await cluster.start();
        const health = () => cluster.master.health<Health>();
        await eventually('it is known that there is none', async () => {
          const { broker: link, warning } = await health();
          expect([link.policies, warning]).toEqual([undefined, undefined]);
        });
        const name = `limits-${cluster.log}`;
        const queues = pattern.replace('LOG', cluster.log);
        await broker.ctl('set_policy', '--apply-to', 'queues', name, queues, JSON.stringify(definition));
        const [key] = Object.keys(definition);
        await eventually('it is named', async () =>
          expect(await health()).toMatchObject({
            status: 'degraded',
            warning: expect.stringMatching(new RegExp(`the policy ${name} limits the queue .*\\.${queue} \\(.*${key}`)),
          }),
        );
        await broker.ctl('clear_policy', name);
        await eventually('it is named no more', async () => expect((await health()).warning).toBeUndefined());
        await append(cluster, 'one', 'all');
      },
    )(),
  TEST_MS,
);

it(
  'without the management api /health says that it is not known whether policies limit the queues',
  play(
    () => ({}),
    async (cluster) => {
      await cluster.start();
      const { broker: link } = await cluster.master.health<Health>();
      expect(link.policies).toBe('not known: MANAGEMENT_URL is not set');
    },
  ),
  TEST_MS,
);

it(
  'a policy that makes a queue of an offline member expire costs fetches, and no entry',
  play(
    () => ({}),
    async (cluster) => {
      await cluster.start();
      await append(cluster, 'one', 'all');
      await cluster.node(VICTIM).stop();
      const name = `expires-${cluster.log}`;
      // A look renews the lease of a classic queue, so it expires in less time than lies between two looks.
      await broker.ctl('set_policy', '--apply-to', 'queues', name, `^${cluster.log}\\.entries\\.`, '{"expires": 10}');
      await eventually('the queue is gone', async () =>
        expect(await cluster.hasQueue(cluster.topology.entriesQueue(VICTIM))).toBe(false),
      );
      await append(cluster, 'two', 2);
      await cluster.startSecondary(VICTIM);
      await append(cluster, 'three', 'all');
      await cluster.agreed(3);
    },
  ),
  TEST_MS,
);

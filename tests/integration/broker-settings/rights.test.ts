/**
 * What the broker's operator grants: a user, a password, a vhost, rights, connections. Each node
 * tells the broker's own reason in its log, in /health and in a 503, and goes on by itself when it
 * is granted what was missing.
 */
import { eventually } from '#tests/support/eventually';
import { onCluster, type RealCluster } from '#tests/support/real/cluster';
import type { LogLine } from '#tests/support/real/process';
import { as, launchStrictBroker, type StrictBroker } from '#tests/support/real/strict-broker';

const TEST_MS = 90_000;
const ALL = '.*';

let broker: StrictBroker;

beforeAll(async () => {
  broker = await launchStrictBroker();
}, 180_000);
afterAll(() => broker?.stop());

let users = 0;
/** A user that no other test uses, with these rights on the vhost `/`. */
async function user(rights: readonly string[] | null, password = 'secret', given?: string): Promise<string> {
  users += 1;
  const name = given ?? `user-${users}`;
  await broker.ctl('add_user', name, password);
  if (rights !== null) await broker.ctl('set_permissions', name, ...rights);
  return name;
}

/** All three nodes, as this user; they need not become ready. */
async function startAll(cluster: RealCluster): Promise<void> {
  await Promise.all([cluster.startMaster(), ...cluster.secondaryIds.map((id) => cluster.startSecondary(id))]);
}

/** Health, readiness, the 503 and the log of the master name the trouble. */
async function expectNamed(cluster: RealCluster, said: RegExp): Promise<void> {
  await eventually('the trouble is in /health', async () => {
    const { broker: link } = await cluster.master.health<{ broker: { trouble?: string } }>();
    expect(link.trouble).toMatch(said);
  });
  await eventually('the trouble is in the answer to an append', async () => {
    const refused = await cluster.master.post({ message: 'refused', w: 1 });
    expect(refused.status).toBe(503);
    expect(refused.json()).toMatchObject({ stored: false, detail: expect.stringMatching(said) });
  });
  const isSaid = (line: LogLine) => said.test(String(line.reason));
  await cluster.master.process.line('the reason in the log', isSaid);
}

async function expectAtWork(cluster: RealCluster): Promise<void> {
  await cluster.ready(cluster.master);
  expect((await cluster.master.post({ message: 'taken', w: 'all' })).status).toBe(201);
  await eventually('no trouble is shown any more', async () => {
    for (const node of cluster.nodes) {
      const { broker: link } = await node.health<{ broker: { trouble?: string } }>();
      expect(link.trouble).toBeUndefined();
    }
  });
}

async function play(url: string, story: (cluster: RealCluster) => Promise<void>): Promise<void> {
  await onCluster({ brokerUrl: url }, story)();
}

it(
  'a user and a password that are not ASCII log in',
  async () => {
    const name = await user([ALL, ALL, ALL], 'pässwörd/☃', 'zoë');
    await play(as(broker, name, 'pässwörd/☃'), async (cluster) => {
      await startAll(cluster);
      await expectAtWork(cluster);
    });
  },
  TEST_MS,
);

it(
  'a wrong password is named, and the node goes on when it is right',
  async () => {
    const name = await user([ALL, ALL, ALL], 'another');
    await play(as(broker, name, 'secret'), async (cluster) => {
      await startAll(cluster);
      await expectNamed(cluster, /Login was refused.*AMQP_URL/);
      await broker.ctl('change_password', name, 'secret');
      await expectAtWork(cluster);
    });
  },
  TEST_MS,
);

it(
  'a vhost without permission is named, and the node goes on when it is granted',
  async () => {
    const name = await user(null);
    await play(as(broker, name, 'secret'), async (cluster) => {
      await startAll(cluster);
      await expectNamed(cluster, new RegExp(`access to vhost '/' refused for user '${name}'.*set_permissions`));
      await broker.ctl('set_permissions', name, ALL, ALL, ALL);
      await expectAtWork(cluster);
    });
  },
  TEST_MS,
);

it(
  'a vhost that does not exist is named, and the node goes on when it is created',
  async () => {
    const name = await user(null);
    const vhost = `vhöst ${name}`;
    await play(as(broker, name, 'secret', vhost), async (cluster) => {
      await startAll(cluster);
      await expectNamed(cluster, /vhost .* not found.*add_vhost/);
      await broker.ctl('add_vhost', vhost);
      await broker.ctl('set_permissions', '--vhost', vhost, name, ALL, ALL, ALL);
      await expectAtWork(cluster);
    });
  },
  TEST_MS,
);

it.each([
  ['declare', ['^$', ALL, ALL], /access to .* refused/],
  ['write', [ALL, '^$', ALL], /access to .* refused/],
  ['read', [ALL, ALL, '^$'], /access to .* refused/],
] as const)(
  'a user without the right to %s is named, and the node goes on when it is granted',
  async (_, rights, said) => {
    const name = await user(rights);
    await play(as(broker, name, 'secret'), async (cluster) => {
      await startAll(cluster);
      await expectNamed(cluster, said);
      await broker.ctl('set_permissions', name, ALL, ALL, ALL);
      await expectAtWork(cluster);
    });
  },
  TEST_MS,
);

it(
  'a right that is taken away is named from the next session on, until it is given back',
  async () => {
    const name = await user([ALL, ALL, ALL]);
    await play(as(broker, name, 'secret'), async (cluster) => {
      await startAll(cluster);
      await expectAtWork(cluster);
      await broker.ctl('set_permissions', name, ALL, '^$', ALL);
      // A channel remembers the rights that it has used.
      await broker.ctl('close_all_connections', '--vhost', '/', 'by an operator');
      await eventually('every node names it', async () => {
        for (const node of cluster.nodes) {
          const { broker: link } = await node.health<{ broker: { trouble?: string } }>();
          expect(link.trouble).toMatch(/access to exchange .* refused/);
        }
      });
      await broker.ctl('set_permissions', name, ALL, ALL, ALL);
      await expectAtWork(cluster);
    });
  },
  TEST_MS,
);

it(
  'where the broker has no room for a second connection a node works with one',
  async () => {
    const name = await user([ALL, ALL, ALL]);
    await broker.ctl('set_user_limits', name, '{"max-connections": 5}');
    await play(as(broker, name, 'secret'), async (cluster) => {
      await startAll(cluster);
      await expectAtWork(cluster);
      const sentence = 'the broker allows one connection, which does the work of two';
      const lines = cluster.processes.flatMap((each) => each.linesOf(sentence));
      expect(lines.length).toBeGreaterThan(0);
    });
  },
  TEST_MS,
);

it(
  'a log of three nodes works with three connections where it is told so',
  async () => {
    const name = await user(null);
    const vhost = `few-${name}`;
    await broker.ctl('add_vhost', vhost);
    await broker.ctl('set_permissions', '--vhost', vhost, name, ALL, ALL, ALL);
    await broker.ctl('set_vhost_limits', '--vhost', vhost, '{"max-connections": 3}');
    const settings = { brokerUrl: as(broker, name, 'secret', vhost), env: { AMQP_CONNECTIONS: '1' } };
    await onCluster(settings, async (cluster) => {
      await startAll(cluster);
      await expectAtWork(cluster);
    })();
  },
  TEST_MS,
);

it(
  'a broker with no room for any connection is named with the way out, and the node goes on when there is room',
  async () => {
    const name = await user([ALL, ALL, ALL]);
    await broker.ctl('set_user_limits', name, '{"max-connections": 0}');
    await play(as(broker, name, 'secret'), async (cluster) => {
      await startAll(cluster);
      await expectNamed(cluster, /connection limit \(0\) is reached.*set_user_limits/);
      await broker.ctl('clear_user_limits', name, 'all');
      await expectAtWork(cluster);
    });
  },
  TEST_MS,
);

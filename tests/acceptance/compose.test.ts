/**
 * What a person who grades this would do with `docker compose` and a terminal: bring the cluster
 * up, post and read, stop and start containers, and look at the queues. One cluster for the whole
 * file; every test leaves it whole, and the log only grows.
 */

import { PrefixWatch } from '../support/checks/prefix-watch';
import { docker } from '../support/compose/docker-command';
import { ComposeProject, onProject } from '../support/compose/project';
import { eventually } from '../support/eventually';
import { AppendLoad } from '../support/http/append-load';
import type { HttpNode } from '../support/http/http-node';
import type { SecondaryHealth } from '../support/real/cluster';

jest.setTimeout(240_000);

const NODES = ['master', 'secondary-1', 'secondary-2'] as const;
const NO_FAULTS = { delayMs: 0, failRate: 0, dropRate: 0, duplicateRate: 0, reorderRate: 0 };

interface Health {
  readonly status: string;
  readonly log: string | null;
  readonly warning?: string;
  readonly secondaries: readonly { readonly httpUrl: string }[];
}

let project: ComposeProject;
let master: HttpNode;
let first: HttpNode;
let second: HttpNode;

beforeAll(async () => {
  project = await ComposeProject.prepare();
  [master, first, second] = [project.node('master'), project.node('secondary-1'), project.node('secondary-2')];
  try {
    await project.up();
  } catch (error) {
    process.stderr.write(await project.describe());
    throw error;
  }
});

afterAll(() => project.end());

const onCluster = (play: () => Promise<void>) => onProject(() => project, play);

/** The texts at the end of a node's log. */
async function lastOf(node: HttpNode, count: number): Promise<string[]> {
  return (await node.messages()).slice(-count);
}

async function untilEndsWith(node: HttpNode, texts: readonly string[]): Promise<void> {
  const look = async () => expect(await lastOf(node, texts.length)).toEqual(texts);
  await eventually(`${node.id} ends with ${texts.join(', ')}`, look);
}

/** Whole again: all three are heard, and what was acknowledged is in every log, once. */
async function expectWhole(load?: AppendLoad): Promise<void> {
  await project.untilHealthy('rabbitmq', ...NODES);
  for (const id of ['secondary-1', 'secondary-2'] as const) await project.untilStatus(id, 'Healthy');
  expect((await master.post({ message: 'whole again', w: 3 })).status).toBe(201);
  const entries = await project.agreed(...NODES);
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, at) => at + 1));
  const times = new Map<string, number>();
  for (const { id } of entries) times.set(id, (times.get(id) ?? 0) + 1);
  for (const id of load?.acknowledged.keys() ?? []) expect([id, times.get(id)]).toEqual([id, 1]);
}

/** Breaks something while clients append; nothing that they were told is lost. */
async function underLoad(name: string, breakIt: (load: AppendLoad) => Promise<void>): Promise<void> {
  const load = new AppendLoad(name, [master]);
  await load.more(20);
  await breakIt(load);
  await load.more(20);
  await load.stop();
  await expectWhole(load);
}

describe('docker compose up', () => {
  it(
    'is a working cluster when it says so: an append is in all three logs, and each node says where it can be reached',
    onCluster(async () => {
      const answer = await master.post({ message: 'Hello' });
      expect(answer.status).toBe(201);
      expect(answer.json()).toMatchObject({ seq: 1, acks: ['master', 'secondary-1', 'secondary-2'], w: 3 });
      for (const node of [master, first, second]) expect(await node.messages()).toEqual(['Hello']);
      const { secondaries, status, log, warning } = await master.health<Health>();
      // Open membership, and no id in LOG_ID yet: it says which one to set.
      expect([status, warning]).toEqual(['degraded', expect.stringContaining(`set LOG_ID=${log}`)]);
      const ports = [first, second].map(({ url }) => `http://localhost:${new URL(url).port}`);
      expect(secondaries.map(({ httpUrl }) => httpUrl)).toEqual(ports);
    }),
  );

  it(
    'runs nodes without root, on a file system that they cannot write but for the log, within limits',
    onCluster(async () => {
      for (const node of NODES) {
        expect(await project.run(node, 'id', '-u')).toBe('1000');
        expect(await project.run(node, 'sh', '-c', 'touch /app/x 2>/dev/null || echo refused')).toBe('refused');
        expect(await project.run(node, 'ls', '/data')).toContain('lock');
        const limits = await project.inspect(node, '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}');
        expect(limits).toBe(`${512 * 2 ** 20} unless-stopped`);
      }
      const modules = await project.run('master', 'ls', 'node_modules');
      for (const development of ['typescript', 'jest', 'eslint'])
        expect(modules).not.toMatch(new RegExp(`^${development}$`, 'm'));
    }),
  );

  it(
    'gives no user of the broker more than it needs',
    onCluster(async () => {
      const as = async (login: string, path: string) => (await project.management(path, { login })).status;
      expect(await as('guest:guest', '/overview')).toBe(401);
      // The nodes' user has no business in the management API; the one that looks has none in
      // anything else.
      expect(await as('rlog:rlog', '/overview')).toBe(401);
      expect(await as('monitor:monitor', '/queues/rlog')).toBe(200);
      expect(await as('monitor:monitor', '/definitions')).toBe(401);
      expect(await as('admin:admin', '/definitions')).toBe(200);
      const { body } = await project.management('/permissions', { login: 'admin:admin' });
      expect(body).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ user: 'rlog', vhost: 'rlog', configure: '^rlog\\.', read: '^rlog\\.' }),
          expect.objectContaining({ user: 'monitor', configure: '^$', write: '^$', read: '^$' }),
        ]),
      );
    }),
  );
});

describe('the self-check of iteration 3, with docker stop and start', () => {
  it(
    'secondary-2 comes late: its queue has filled, only the client that waited for it waits, and it gets everything in order',
    onCluster(async () => {
      await project.on('secondary-2', 'stop');
      const before = await project.depth('secondary-2');
      const all = ['Msg1', 'Msg2', 'Msg3', 'Msg4'];
      expect((await master.post({ message: 'Msg1', w: 1 })).status).toBe(201);
      expect((await master.post({ message: 'Msg2', w: 2 })).status).toBe(201);
      let isAnswered = false;
      const waiting = master.post({ message: 'Msg3', w: 3 }).then((answer) => {
        isAnswered = true;
        return answer;
      });
      await untilEndsWith(master, all.slice(0, 3));
      expect((await master.post({ message: 'Msg4', w: 1 })).status).toBe(201);
      await untilEndsWith(master, all);
      await untilEndsWith(first, all);
      await project.untilStatus('secondary-2', 'Unhealthy');
      await project.untilDepth('secondary-2', (depth) => depth >= before + 4, 'a backlog of four');
      expect(isAnswered).toBe(false);

      await project.on('secondary-2', 'start');
      const answer = await waiting;
      expect(answer.status).toBe(201);
      expect(answer.json()).toMatchObject({ message: 'Msg3', w: 3 });
      await untilEndsWith(second, all);
      await project.untilDepth('secondary-2', (depth) => depth === 0, 'nothing');
      await expectWhole();
    }),
  );

  it(
    'a backlog of hundreds grows and drains in the management UI, and readers never see a gap',
    onCluster(async () => {
      await project.on('secondary-2', 'stop');
      const load = new AppendLoad('backlog', [master], 2);
      await load.more(300);
      await load.stop();
      await project.untilDepth('secondary-2', (depth) => depth > 50, 'a backlog');
      await project.on('secondary-2', 'start');
      await eventually('secondary-2 answers', () => second.messages());
      const readers = new PrefixWatch([second, master]);
      await project.agreed(...NODES);
      await readers.stop();
      await project.untilDepth('secondary-2', (depth) => depth === 0, 'nothing');
      await expectWhole(load);
    }),
  );
});

describe('faults of a secondary', () => {
  it(
    'a delay holds up the clients that wait for it, and nobody else',
    onCluster(async () => {
      await second.setFaults({ delayMs: 1500 });
      const order: number[] = [];
      const append = async (w: number) => {
        const answer = await master.post({ message: `delay w=${w}`, w });
        order.push(w);
        return answer.json().acks;
      };
      const [three, two, one] = await Promise.all([append(3), append(2), append(1)]);
      expect(order).toEqual([1, 2, 3]);
      expect([one, two]).toEqual([['master'], ['master', 'secondary-1']]);
      expect(three).toEqual(['master', 'secondary-1', 'secondary-2']);
      await second.setFaults(NO_FAULTS);
      await expectWhole();
    }),
  );

  it(
    'lost, doubled, disordered and failing batches leave neither a duplicate nor a gap',
    onCluster(async () => {
      await first.setFaults({ failRate: 0.3 });
      await second.setFaults({ dropRate: 0.2, duplicateRate: 0.2, reorderRate: 0.4 });
      const readers = new PrefixWatch([master, first, second]);
      const load = new AppendLoad('faults', [master], 'all');
      await load.more(100);
      await load.stop();
      await readers.stop();
      const [ofFirst, ofSecond] = await Promise.all([
        first.health<SecondaryHealth>(),
        second.health<SecondaryHealth>(),
      ]);
      expect(ofFirst.counters.duplicates).toBeGreaterThan(0);
      expect(ofSecond.counters.fetches).toBeGreaterThan(0);
      for (const node of [first, second]) await node.setFaults(NO_FAULTS);
      await expectWhole(load);
    }),
  );
});

describe('docker pause, stop, kill', () => {
  it(
    'a paused secondary is Unhealthy and missed by nobody; unpaused it is there again',
    onCluster(async () => {
      await underLoad('pause', async () => {
        await project.on('secondary-1', 'pause');
        await project.untilStatus('secondary-1', 'Unhealthy');
        await project.on('secondary-1', 'unpause');
        await project.untilStatus('secondary-1', 'Healthy');
      });
    }),
  );

  it(
    'a paused master goes on where it was, and a paused broker too',
    onCluster(async () => {
      await underLoad('pause-others', async (load) => {
        for (const service of ['master', 'rabbitmq'] as const) {
          await project.on(service, 'pause');
          const look = async () => expect(await project.inspect(service, '{{.State.Health.Status}}')).not.toBe('');
          await eventually(`${service} is paused`, look);
          await project.on(service, 'unpause');
          await load.more(20);
        }
      });
    }),
  );

  it.each(['secondary-1', 'secondary-2', 'master', 'rabbitmq'] as const)(
    '%s is killed under load and started again: nothing that was acknowledged is lost',
    async (service) => {
      await onCluster(async () => {
        await underLoad(`kill-${service}`, async () => {
          await project.on(service, 'kill');
          if (service.startsWith('secondary')) await project.untilStatus(service, 'Unhealthy');
          await project.on(service, 'start');
          await project.untilHealthy(service);
        });
      })();
    },
  );

  it(
    'a process that crashes is started again by its restart policy',
    onCluster(async () => {
      for (const node of NODES) {
        const restarts = Number(await project.inspect(node, '{{.RestartCount}}'));
        // Of tini, which is PID 1, the only child is the service.
        await project.run(node, 'sh', '-c', 'kill -9 $(cat /proc/1/task/1/children)');
        const look = async () => expect(Number(await project.inspect(node, '{{.RestartCount}}'))).toBe(restarts + 1);
        await eventually(`${node} was started again`, look);
      }
      await expectWhole();
    }),
  );

  it(
    'every node stops within 10 s of SIGTERM, with exit code 0',
    onCluster(async () => {
      for (const node of NODES) {
        const startedAt = performance.now();
        await project.on(node, 'stop');
        expect(performance.now() - startedAt).toBeLessThan(10_000);
        expect(await project.inspect(node, '{{.State.ExitCode}}')).toBe('0');
        await project.on(node, 'start');
        await project.untilHealthy(node);
      }
      await expectWhole();
    }),
  );
});

describe('the broker', () => {
  it(
    'is restarted under load, and made anew with its volume',
    onCluster(async () => {
      await underLoad('restart-broker', async (load) => {
        await project.on('rabbitmq', 'restart');
        await load.more(20);
        await project.up('--force-recreate', '--no-deps', 'rabbitmq');
      });
    }),
  );

  it(
    'keeps a stopped secondary’s backlog over a restart',
    onCluster(async () => {
      await project.on('secondary-2', 'stop');
      expect((await master.post({ message: 'for later', w: 2 })).status).toBe(201);
      await project.untilDepth('secondary-2', (depth) => depth >= 1, 'a backlog');
      await project.on('rabbitmq', 'restart');
      await project.untilHealthy('rabbitmq');
      await project.untilDepth('secondary-2', (depth) => depth >= 1, 'the backlog again');
      await project.on('secondary-2', 'start');
      await untilEndsWith(second, ['for later']);
      await expectWhole();
    }),
  );

  it(
    'loses its volume, and with it every queue: the nodes make them anew and fetch what was in them',
    onCluster(async () => {
      await project.on('secondary-2', 'stop');
      expect((await master.post({ message: 'in a queue that will be gone', w: 2 })).status).toBe(201);
      await project.compose(['rm', '--stop', '--force', 'rabbitmq']);
      await docker(['volume', 'rm', project.volumeOf('rabbitmq')]);
      await project.up('--no-deps', 'rabbitmq');
      await project.on('secondary-2', 'start');
      await untilEndsWith(second, ['in a queue that will be gone']);
      await expectWhole();
    }),
  );
});

describe('the network', () => {
  it.each(['secondary-1', 'master'] as const)(
    '%s is cut off and comes back: what was appended meanwhile reaches it, what was acknowledged is there',
    async (service) => {
      await onCluster(async () => {
        const load = new AppendLoad(`cut-${service}`, [master]);
        await load.more(20);
        await docker(['network', 'disconnect', project.network, project.containerOf(service)]);
        // Its published port is gone with the network: it is asked from inside.
        const inside = `fetch('http://127.0.0.1:'+process.env.HTTP_PORT+'/readyz').then((r)=>console.log(r.status))`;
        const look = async () => expect(await project.run(service, 'node', '-e', inside)).toBe('503');
        if (service === 'master') await eventually('the master knows that it cannot append', look);
        else await project.untilStatus(service, 'Unhealthy');
        await docker(['network', 'connect', '--alias', service, project.network, project.containerOf(service)]);
        await load.more(20);
        await load.stop();
        await expectWhole(load);
      })();
    },
  );
});

describe('docker compose down and up', () => {
  it(
    'keeps the log',
    onCluster(async () => {
      const before = await project.agreed(...NODES);
      await project.compose(['down']);
      expect(await project.compose(['ps', '--all', '--quiet'])).toBe('');
      await project.up();
      const after = await project.agreed(...NODES);
      expect(after).toEqual(before);
      await expectWhole();
    }),
  );

  it(
    'with the log id set is ok, gives a lost volume of the master its log back, and begins no other one',
    onCluster(async () => {
      const before = await project.agreed(...NODES);
      const { log } = await master.health<Health>();
      await project.compose(['down']);
      await docker(['volume', 'rm', project.volumeOf('master'), project.volumeOf('rabbitmq')]);
      await project.compose(['up', '--detach', '--wait', '--wait-timeout', '180'], { LOG_ID: log ?? 'none' });
      expect(await project.agreed(...NODES)).toEqual(before);
      const look = async () => expect(await master.health<Health>()).toMatchObject({ log, status: 'ok' });
      await eventually('all have a vote again', look);
    }),
  );
});

/**
 * compose.yaml's profiles: more secondaries, a standby master, and three brokers of which each is
 * killed in turn.
 */

import { ComposeProject, onProject, type Queue } from '../support/compose/project';
import { eventually } from '../support/eventually';
import { AppendLoad } from '../support/http/append-load';
import type { HttpNode } from '../support/http/http-node';
import type { MasterHealth } from '../support/real/cluster';

jest.setTimeout(300_000);

const BROKERS = ['rabbitmq', 'rabbitmq-2', 'rabbitmq-3'] as const;
const NODES = ['master', 'secondary-1', 'secondary-2'] as const;

async function expectInLog(load: AppendLoad, entries: readonly { id: string }[]): Promise<void> {
  const ids = entries.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining([...load.acknowledged.keys()]));
}

describe('the cluster profile', () => {
  let project: ComposeProject;
  let master: HttpNode;

  beforeAll(async () => {
    project = await ComposeProject.prepare(['cluster'], { QUEUE_TYPE: 'quorum' });
    master = project.node('master');
    await project.up();
  });
  afterAll(() => project.end());

  it(
    'grows every queue to three replicas',
    onProject(
      () => project,
      async () => {
        expect((await master.post({ message: 'Hello' })).status).toBe(201);
        await untilThreeReplicas(project);
      },
    ),
  );

  it.each(BROKERS)(
    '%s is killed under load: the nodes go on with another broker, and nothing is lost',
    async (broker) => {
      await onProject(
        () => project,
        async () => {
          const load = new AppendLoad(`without-${broker}`, [master]);
          await load.more(20);
          await project.on(broker, 'kill');
          // Two brokers of three are enough to go on, while the third is down.
          await load.more(50);
          await project.on(broker, 'start');
          await project.untilHealthy(broker);
          await load.more(20);
          await load.stop();
          await expectInLog(load, await project.agreed(...NODES));
          await untilThreeReplicas(project);
        },
      )();
    },
  );
});

describe('the cluster profile with classic queues', () => {
  let project: ComposeProject;

  beforeAll(async () => {
    project = await ComposeProject.prepare(['cluster']);
    await project.up();
  });
  afterAll(() => project.end());

  it(
    'the broker of the queues is killed under load: they are made anew elsewhere, and nothing is lost',
    onProject(
      () => project,
      async () => {
        const master = project.node('master');
        expect((await master.post({ message: 'Hello' })).status).toBe(201);
        const { body } = await project.management('/queues/rlog/rlog.entries.secondary-1');
        const home = String((body as { node: string }).node).replace('rabbit@', '');
        const broker = BROKERS.find((each) => each === home);
        if (broker === undefined) throw new Error(`a queue on ${home}`);
        const load = new AppendLoad('without-home', [master]);
        await load.more(20);
        await project.on(broker, 'kill');
        await load.more(50);
        await project.on(broker, 'start');
        await project.untilHealthy(broker);
        await load.more(20);
        await load.stop();
        await expectInLog(load, await project.agreed(...NODES));
      },
    ),
  );
});

/** And all of them running: a queue with one replica down must not lose another. */
async function untilThreeReplicas(project: ComposeProject): Promise<void> {
  await eventually(
    'both queues have three running replicas',
    async () => {
      const { body } = await project.management('/queues/rlog');
      const queues = (body as (Queue & { online?: string[] })[]).filter(({ name }) => name.startsWith('rlog.entries.'));
      expect(queues).toHaveLength(2);
      for (const { members, online } of queues) expect([members, online].map((each) => each?.length)).toEqual([3, 3]);
    },
    { withinMs: 90_000 },
  );
}

describe('the profiles more and standby', () => {
  let project: ComposeProject;

  beforeAll(async () => {
    project = await ComposeProject.prepare();
    await project.up();
  });
  afterAll(() => project.end());

  it(
    'two more secondaries join a running log and get all of it; each counts towards n',
    onProject(
      () => project,
      async () => {
        const master = project.node('master');
        for (const message of ['one', 'two', 'three']) expect((await master.post({ message })).status).toBe(201);
        await project.compose(['--profile', 'more', 'up', '--detach', '--wait']);
        await project.node('secondary-3').untilShows(['one', 'two', 'three']);
        await project.node('secondary-4').untilShows(['one', 'two', 'three']);
        const answer = await master.post({ message: 'four', w: 5 });
        expect(answer.status).toBe(201);
        expect(answer.json().acks).toHaveLength(5);
        await project.agreed(...NODES, 'secondary-3', 'secondary-4');
      },
    ),
  );

  it(
    'a standby takes over from a killed master under load; the old one comes back as its standby, and nothing is lost',
    onProject(
      () => project,
      async () => {
        await project.compose(['--profile', 'standby', 'up', '--detach', '--wait']);
        const [master, standby] = [project.node('master'), project.node('master-standby')];
        expect((await standby.health<MasterHealth>()).status).toBe('standby');
        const load = new AppendLoad('takeover', [master, standby], 3);
        await load.more(20);
        await project.on('master', 'kill');
        await load.more(20);
        expect((await standby.get('/readyz')).status).toBe(200);
        await project.on('master', 'start');
        const look = async () => expect((await master.health<MasterHealth>()).status).toBe('standby');
        await eventually('the old master is the standby', look);
        await load.stop();
        const entries = await project.agreed('master-standby', 'secondary-1', 'secondary-2', 'secondary-3');
        await expectInLog(load, entries);
      },
    ),
  );
});

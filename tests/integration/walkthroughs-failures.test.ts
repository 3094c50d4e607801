/** Iteration 3, heartbeats and quorum append as a user walks through them, on real processes. */

import { PrefixWatch } from '../support/checks/prefix-watch';
import { eventually } from '../support/eventually';
import { onCluster, type RealCluster, type RealNode } from '../support/real/cluster';

jest.setTimeout(150_000);

describe('iteration 3: a secondary that comes late', () => {
  it(
    'gets everything it missed, in order, and only the client that asked for it has waited',
    onCluster({}, async (cluster) => {
      const master = await cluster.start(['secondary-1']);
      expect((await master.post({ message: 'Msg1', w: 1 })).status).toBe(201);
      expect((await master.post({ message: 'Msg2', w: 2 })).status).toBe(201);
      const events: string[] = [];
      const waiting = master.post({ message: 'Msg3', w: 3 }).then((answer) => {
        events.push('Msg3 answered');
        return answer;
      });
      await master.untilShows(['Msg1', 'Msg2', 'Msg3']);
      expect((await master.post({ message: 'Msg4', w: 1 })).status).toBe(201);
      events.push('Msg4 answered');
      const all = ['Msg1', 'Msg2', 'Msg3', 'Msg4'];
      expect(await master.messages()).toEqual(all);
      await cluster.node('secondary-1').untilShows(all);
      expect(events).toEqual(['Msg4 answered']);

      const late = await cluster.startSecondary('secondary-2');
      const answer = await waiting;
      expect(answer.status).toBe(201);
      expect(answer.json()).toMatchObject({ seq: 3, message: 'Msg3', w: 3 });
      expect(answer.json().acks).toContain('secondary-2');
      await late.untilShows(all);
      await cluster.agreed(4);
    }),
  );

  it(
    'internal errors, losses, duplicates and disorder leave neither a duplicate nor a gap',
    onCluster({ env: { LOG_LEVEL: 'info' } }, async (cluster) => {
      const master = await cluster.start();
      const [first, second] = [cluster.node('secondary-1'), cluster.node('secondary-2')];
      await first.setFaults({ failRate: 0.3 });
      await second.setFaults({ dropRate: 0.2, reorderRate: 0.4, duplicateRate: 0.2 });

      const readers = new PrefixWatch(cluster.nodes);
      await Promise.all([1, 2, 3, 4].map((client) => appendMany(master, `client ${client}`, 60)));
      const entries = await cluster.agreed(240);
      await readers.stop();

      expect(new Set(entries.map(({ message }) => message)).size).toBe(240);
      expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 240 }, (_, at) => at + 1));
      const [ofFirst, ofSecond] = await Promise.all([countersOf(first), countersOf(second)]);
      expect(ofFirst.duplicates).toBeGreaterThan(0);
      expect(ofSecond.gaps).toBeGreaterThan(0);
      expect(ofSecond.fetches).toBeGreaterThan(0);

      await Promise.all([first, second].map((node) => node.setFaults(NO_FAULTS)));
      expect((await master.post({ message: 'after the faults', w: 3 })).status).toBe(201);
    }),
  );

  it(
    'a crash in the middle of appends costs a secondary nothing: it goes on from its disk',
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      const appends = appendMany(master, 'client', 80, 2);
      await eventually('secondary-1 has some of them', async () => {
        expect((await cluster.node('secondary-1').entries()).length).toBeGreaterThan(5);
      });
      const before = (await cluster.node('secondary-1').entries()).length;
      await cluster.node('secondary-1').kill();
      await appends;
      const back = await cluster.startSecondary('secondary-1');
      expect((await back.entries()).length).toBeGreaterThanOrEqual(before);
      await cluster.agreed(80);
    }),
  );
});

describe('heartbeats', () => {
  it(
    'a killed secondary becomes Suspected, then Unhealthy; started again it is Healthy within seconds',
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      await cluster.node('secondary-1').kill();
      const seen: string[] = ['Healthy'];
      await eventually('secondary-1 is Unhealthy', async () => {
        const status = await statusOf(master, 'secondary-1');
        if (status !== seen.at(-1)) seen.push(status);
        expect(status).toBe('Unhealthy');
      });
      expect(seen).toEqual(['Healthy', 'Suspected', 'Unhealthy']);
      expect(await master.health()).toMatchObject({ status: 'degraded', quorum: { required: 2, alive: 2, ok: true } });

      const back = await cluster.startSecondary('secondary-1');
      const listeningAt = Date.parse(String(back.process.linesOf('listening')[0]?.time));
      await cluster.untilStatus('secondary-1', 'Healthy');
      await eventually('its transitions are in the log', () => {
        const transitions = master.process.lines.filter(
          ({ peer, msg }) => peer === 'secondary-1' && /^becomes/.test(msg),
        );
        expect(transitions.map(({ msg }) => msg)).toEqual([
          'becomes Healthy',
          'becomes Suspected',
          'becomes Unhealthy',
          'becomes Healthy',
        ]);
      });
      const healthyLine = master.process.linesOf('becomes Healthy').findLast(({ peer }) => peer === 'secondary-1');
      const healthyAt = Date.parse(String(healthyLine?.time));
      // Two seconds are promised on an idle machine; the tests' machine may be busy with something
      // else.
      expect(healthyAt - listeningAt).toBeLessThan(6_000);
      expect((await master.health()).status).toBe('ok');
    }),
  );

  it(
    'a secondary that stops cleanly is Unhealthy at once, without having been Suspected',
    onCluster({ env: { SUSPECT_AFTER_MS: '60000', UNHEALTHY_AFTER_MS: '90000' } }, async (cluster) => {
      const master = await cluster.start();
      expect(await cluster.node('secondary-2').stop()).toEqual({ code: 0, signal: null });
      await cluster.untilStatus('secondary-2', 'Unhealthy');
      expect(master.process.linesOf('becomes Suspected')).toEqual([]);
      expect(await statusOf(master, 'secondary-1')).toBe('Healthy');
    }),
  );

  it(
    'a secondary that hangs is Suspected like a dead one, and goes on where it was when it wakes',
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      const hanging = cluster.node('secondary-1');
      hanging.process.signal('SIGSTOP');
      await cluster.untilStatus('secondary-1', 'Unhealthy');
      expect((await master.post({ message: 'meanwhile', w: 2 })).status).toBe(201);
      hanging.process.signal('SIGCONT');
      await cluster.untilStatus('secondary-1', 'Healthy');
      await cluster.agreed(1);
    }),
  );
});

describe('quorum append', () => {
  it(
    'without a majority appends are refused with the reason and reads go on; with one they are taken again',
    onCluster({}, async (cluster) => {
      const master = await cluster.start();
      expect((await master.post({ message: 'before', id: 'before' })).status).toBe(201);
      await Promise.all(['secondary-1', 'secondary-2'].map((id) => cluster.node(id).kill()));
      await cluster.untilStatus('secondary-1', 'Unhealthy');
      await cluster.untilStatus('secondary-2', 'Unhealthy');

      const refused = await master.post({ message: 'refused', w: 1, id: 'refused' });
      expect(refused.status).toBe(503);
      expect(refused.headers['content-type']).toBe('application/problem+json');
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect(refused.json()).toEqual({
        type: '/problems/no-quorum',
        title: expect.any(String),
        status: 503,
        detail: expect.stringMatching(/majority, 2 of 3 nodes.*secondary-1.*secondary-2/),
        stored: false,
        quorum: { required: 2, alive: 1 },
        missing: ['secondary-1', 'secondary-2'].map((id) => ({
          id,
          status: 'Unhealthy',
          lastSeenMs: expect.any(Number),
        })),
      });
      expect(await master.health()).toMatchObject({ status: 'read-only', readOnly: true, quorum: { ok: false } });
      expect((await master.get('/readyz')).status).toBe(503);
      expect(await master.messages()).toEqual(['before']);
      const repeated = await master.post({ message: 'before', id: 'before' });
      expect(repeated.status).toBe(200);
      expect(repeated.json()).toMatchObject({ seq: 1, w: 3 });

      await cluster.startSecondary('secondary-1');
      await cluster.ready(master, ['secondary-1']);
      const taken = await master.post({ message: 'after', w: 2 });
      expect(taken.status).toBe(201);
      expect(taken.json()).toMatchObject({ seq: 2, acks: ['master', 'secondary-1'] });
      await cluster.startSecondary('secondary-2');
      expect((await cluster.agreed(2)).map(({ message }) => message)).toEqual(['before', 'after']);
      expect(JSON.parse((await master.get('/messages?id=refused')).text)).toEqual([]);
    }),
  );

  it(
    'who waited already when the quorum went goes on waiting, and is answered when a node is back',
    onCluster({}, async (cluster) => {
      const master = await cluster.start(['secondary-1']);
      const waiting = master.post({ message: 'patient', w: 3 });
      await master.untilShows(['patient']);
      await cluster.node('secondary-1').untilShows(['patient']);
      await cluster.node('secondary-1').kill();
      await untilRefused(cluster);
      await cluster.startSecondary('secondary-1');
      await cluster.startSecondary('secondary-2');
      expect((await waiting).status).toBe(201);
      await cluster.agreed(1);
    }),
  );
});

const NO_FAULTS = { failRate: 0, dropRate: 0, duplicateRate: 0, reorderRate: 0 };

/**
 * One client that appends one message after the other, with every write concern in turn unless it
 * names one.
 */
async function appendMany(master: RealNode, client: string, count: number, w?: number): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    const answer = await master.post({ message: `${client}, ${at}`, w: w ?? 1 + (at % 3) });
    if (answer.status !== 201) throw new Error(`append ${at} of ${client}: ${answer.status} ${answer.text}`);
  }
}

async function countersOf(node: RealNode) {
  return (await node.health<{ counters: Record<'duplicates' | 'gaps' | 'fetches', number> }>()).counters;
}

async function statusOf(master: RealNode, id: string): Promise<string> {
  const { secondaries } = await master.health();
  return secondaries.find((each) => each.id === id)?.status ?? 'no member';
}

async function untilRefused({ master }: RealCluster): Promise<void> {
  await eventually('the master is read-only', async () => expect((await master.health()).readOnly).toBe(true));
}

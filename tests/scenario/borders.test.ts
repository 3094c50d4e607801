/**
 * The borders of a log's life: births, lost disks and broker data, disks of another log or of a
 * former life, forces. A machine that throws would be started again by a supervisor
 * (`runSupervised`), and must not lose anything by that.
 */
import { decodeWire, encodeWire } from '#protocol/wire/codec';
import { REAL_CORES } from '../simulation/model/world';
import { SimCluster, type SimOptions } from '../support/fakes/sim-cluster';

const FIVE = ['s1', 's2', 's3', 's4'];

function voters(cluster: SimCluster, master = 'master'): readonly string[] {
  return cluster.isUp(master) ? cluster.masterOf(master).view.voters : [];
}

function reigns(cluster: SimCluster, node = 'master'): boolean {
  return cluster.isUp(node) && cluster.masterOf(node).view.refusal(cluster.now) === null;
}

function acknowledge(cluster: SimCluster, text: string, w: number | 'all' | 'majority' = 'all', to = 'master'): void {
  const request = cluster.append(text, w, null, to);
  cluster.runUntil(`${text} is acknowledged`, () => cluster.answerOf(request) === 'acknowledged');
}

/**
 * A machine that throws ends its process; a supervisor starts it again after a second. Returns what
 * was thrown.
 */
function runSupervised(cluster: SimCluster, ms: number): readonly string[] {
  const thrown: string[] = [];
  const until = cluster.now + ms;
  while (cluster.now < until) {
    try {
      cluster.run(Math.min(50, until - cluster.now));
    } catch (error) {
      const text = (error as Error).message;
      const node = text.split(' ')[0] ?? '';
      thrown.push(text);
      cluster.kill(node);
      cluster.timeline.after(1_000, () => cluster.start(node));
    }
  }
  return thrown;
}

/** A cluster all of whose nodes are voters and hold a, b and c. */
function settled(options: SimOptions = {}): SimCluster {
  const cluster = new SimCluster(options);
  cluster.start('master', ...cluster.members);
  cluster.runUntil('all are voters', () => voters(cluster).length === cluster.members.length + 1);
  for (const text of ['a', 'b', 'c']) acknowledge(cluster, text);
  return cluster;
}

function isBranch(identity: string | null): boolean {
  return identity?.includes('/') === true;
}

/** One bulk append that all nodes hold. */
function appendMany(cluster: SimCluster, texts: readonly string[]): void {
  const entries = texts.map((message) => ({ message, id: null }));
  let outcome = '';
  cluster.world.masterOf('master')?.append({ entries, writeConcern: 'all' }, (answer) => {
    outcome = answer.outcome;
  });
  cluster.runUntil('the bulk is acknowledged', () => outcome === 'acknowledged');
}

function loseBrokerData(cluster: SimCluster): void {
  cluster.world.stopBroker(true);
  cluster.run(50);
  cluster.startBroker();
}

const ABC = ['a', 'b', 'c'];

describe('the master loses its disk under open membership', () => {
  test.each([[['s1', 's2']], [[]]])(
    'with %j restarted too, the log is fetched and no second one begins',
    (restarted) => {
      const cluster = settled({ secondaries: ['s1', 's2'], openMembership: true });
      cluster.kill('master', ...restarted);
      cluster.wipe('master');
      cluster.start('master', ...restarted);
      expect(runSupervised(cluster, 10_000)).toEqual([]);
      for (const node of ['master', 's1', 's2']) expect(cluster.messages(node)).toEqual(ABC);
    },
  );

  test('a node that the settings do not name keeps a log from beginning beside its own', () => {
    const cluster = new SimCluster({ secondaries: ['s1', 's2'], openMembership: true });
    cluster.start('master', 's1', 's2', 's3', 's4');
    cluster.runUntil('all are voters', () => voters(cluster).length === 5);
    for (const text of ABC) acknowledge(cluster, text);
    cluster.kill('master', 's1', 's2', 's3', 's4');
    cluster.wipe('master');
    cluster.wipe('s1');
    loseBrokerData(cluster);
    cluster.start('s3', 's4', 'master');
    cluster.run(3_000);
    cluster.start('s1');
    expect(runSupervised(cluster, 10_000)).toEqual([]);
    expect(reigns(cluster)).toBe(false);
    cluster.start('s2');
    cluster.runUntil('three of five voters are heard, and vote', () => reigns(cluster), 30_000);
    expect(cluster.messages('master')).toEqual(ABC);
  });
});

test('two nodes that never held the log are heard first: a young log begins anew, and those who know better keep every record', () => {
  const cluster = new SimCluster({ secondaries: FIVE });
  cluster.start('master', 's1', 's2');
  cluster.runUntil('three voters', () => voters(cluster).length === 3);
  for (const text of ABC) acknowledge(cluster, text, 'majority');
  expect(cluster.masterMachine.view.young).toEqual(['s3', 's4']);
  cluster.kill('master', 's1', 's2');
  cluster.wipe('master');
  loseBrokerData(cluster);
  cluster.start('master', 's3', 's4');
  cluster.runUntil('it begins', () => reigns(cluster));
  acknowledge(cluster, 'new', 'majority');
  cluster.start('s1', 's2');
  expect(runSupervised(cluster, 20_000)).toEqual([]);
  for (const node of ['s1', 's2']) {
    expect(cluster.secondary(node).status).toBe('foreign');
    expect(cluster.messages(node)).toEqual(ABC);
  }
  for (const node of ['master', 's3', 's4']) expect(cluster.messages(node)).toEqual(['new']);
  const foreign = cluster.masterMachine.view.foreign(cluster.now).map(({ id, lastSeq }) => [id, lastSeq]);
  expect(foreign.sort()).toEqual([
    ['s1', 3],
    ['s2', 3],
  ]);
});

test('with the log id in the settings nothing begins beside it, whoever is heard first', () => {
  const cluster = new SimCluster({ secondaries: FIVE });
  cluster.start('master', 's1', 's2');
  cluster.runUntil('three voters', () => voters(cluster).length === 3);
  for (const text of ABC) acknowledge(cluster, text, 'majority');
  cluster.logId = cluster.masterMachine.view.identity;
  cluster.kill('master', 's1', 's2');
  cluster.wipe('master');
  loseBrokerData(cluster);
  cluster.start('master', 's3', 's4');
  cluster.run(20_000);
  expect(reigns(cluster)).toBe(false);
  cluster.start('s1', 's2');
  cluster.runUntil('the log is back', () => reigns(cluster), 30_000);
  expect(cluster.messages('master')).toEqual(ABC);
});

test('everything is lost but one folder: its entries are cut by nobody, and an operator can begin from them', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  cluster.kill('master', 's1', 's2');
  cluster.wipe('master');
  cluster.wipe('s2');
  loseBrokerData(cluster);
  cluster.start('s1', 'master');
  cluster.run(500);
  cluster.start('s2');
  expect(runSupervised(cluster, 20_000)).toEqual([]);
  expect(cluster.messages('s1')).toEqual(ABC);
  expect(reigns(cluster)).toBe(false);
  cluster.runUntil('the best log is fetched', () => cluster.force().state === 'ready', 20_000);
  cluster.runUntil('it reigns', () => reigns(cluster), 20_000);
  acknowledge(cluster, 'd');
  for (const node of ['master', 's1', 's2']) expect(cluster.messages(node)).toEqual([...ABC, 'd']);
});

test('everything is lost but one folder that comes last: it is foreign to the log that has begun, and keeps its entries', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  cluster.kill('master', 's1', 's2');
  cluster.wipe('master');
  cluster.wipe('s2');
  loseBrokerData(cluster);
  cluster.start('master', 's2');
  cluster.runUntil('a log begins', () => reigns(cluster));
  acknowledge(cluster, 'new', 2);
  cluster.start('s1');
  expect(runSupervised(cluster, 20_000)).toEqual([]);
  expect(cluster.messages('s1')).toEqual(ABC);
  expect(cluster.secondary('s1').status).toBe('foreign');
  expect(cluster.masterMachine.view.foreign(cluster.now)).toEqual([
    { id: 's1', log: cluster.secondary('s1').identity, lastSeq: 3 },
  ]);
  cluster.kill('s1');
  cluster.wipe('s1');
  cluster.start('s1');
  acknowledge(cluster, 'after the wipe');
  expect(cluster.messages('s1')).toEqual(['new', 'after the wipe']);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'a member with the disk of a former life, which saw more epochs, is foreign (seed %i)',
  (seed) => {
    const cluster = new SimCluster({ seed, secondaries: FIVE });
    cluster.start('master', ...FIVE);
    cluster.runUntil('all are voters', () => voters(cluster).length === 5);
    for (let at = 0; at < 4; at += 1) {
      acknowledge(cluster, `old ${at}`);
      cluster.kill('master');
      cluster.start('master');
      cluster.runUntil('it reigns', () => reigns(cluster), 20_000);
    }
    const former = cluster.messages('s4');
    cluster.kill('master', ...FIVE);
    for (const node of ['master', 's1', 's2', 's3']) cluster.wipe(node);
    loseBrokerData(cluster);
    cluster.start('master', 's1', 's2', 's3');
    cluster.runUntil('a new life begins', () => reigns(cluster), 20_000);
    for (const text of ABC) acknowledge(cluster, text, 4);
    cluster.start('s4');
    expect(runSupervised(cluster, 20_000)).toEqual([]);
    expect(cluster.messages('s4')).toEqual(former);
    for (const node of ['master', 's1', 's2', 's3']) expect(cluster.messages(node)).toEqual(ABC);
  },
);

test('a master with the disk of a former life takes no append, cuts nothing, and gives the lock up again and again', () => {
  const cluster = settled({ secondaries: FIVE });
  const other = new SimCluster({ seed: 7, secondaries: FIVE });
  other.start('master', 's1', 's2');
  other.runUntil('it begins', () => reigns(other));
  other.kill('master');
  cluster.kill('master');
  cluster.world.diskOf('master').replaceBy(other.world.diskOf('master'));
  cluster.start('master');
  expect(runSupervised(cluster, 30_000)).toEqual([]);
  for (const node of FIVE) expect(cluster.messages(node)).toEqual(ABC);
  expect(reigns(cluster)).toBe(false);
  const { problem } = cluster.masterMachine.view.refusal(cluster.now) ?? {};
  expect(['another-log', 'recovering', 'no-quorum']).toContain(problem);
  cluster.start('standby');
  cluster.runUntil('a standby of the right log reigns', () => reigns(cluster, 'standby'), 60_000);
  expect(cluster.messages('standby')).toEqual(ABC);
});

test('what a member had acknowledged counts no more when it comes back with the disk of another log', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  const other = new SimCluster({ seed: 7, secondaries: ['s1', 's2'] });
  other.start('master', 's1', 's2');
  other.runUntil('it begins', () => reigns(other));
  other.runUntil('its member has it', () => other.recordsOf('s2').length > 1);
  other.kill('s2');
  cluster.cut('s1');
  const request = cluster.append('d', 'all');
  cluster.runUntil('s2 has it', () => cluster.messages('s2').length === 4);
  cluster.run(100);
  cluster.kill('s2');
  cluster.world.diskOf('s2').replaceBy(other.world.diskOf('s2'));
  cluster.start('s2');
  cluster.runUntil(
    's2 is known as foreign',
    () => cluster.masterMachine.view.foreign(cluster.now).length === 1,
    10_000,
  );
  cluster.reconnect('s1');
  cluster.runUntil('s1 has it', () => cluster.messages('s1').length === 4, 20_000);
  cluster.run(2_000);
  expect(cluster.answerOf(request)).toBeNull();
});

describe('force', () => {
  test('waits until it has heard who is there, fetches the best log, and only then begins', () => {
    const cluster = settled({ secondaries: ['s1', 's2'] });
    cluster.kill('master', 's1', 's2');
    cluster.wipe('master');
    cluster.wipe('s2');
    cluster.start('master');
    cluster.runUntil('it claims', () => cluster.masterMachine.view.link.connected);
    cluster.start('s1');
    expect(cluster.force().state).toBe('listening');
    const states = new Set<string>();
    cluster.runUntil('it begins', () => {
      const { state } = cluster.force();
      states.add(state);
      return state === 'ready';
    });
    expect(runSupervised(cluster, 10_000)).toEqual([]);
    expect(cluster.messages('master')).toEqual(ABC);
    expect(cluster.messages('s1')).toEqual(ABC);
    expect([...states]).toContain('ready');
  });

  test('in the middle of a fetch cuts nothing that a living secondary has', () => {
    const cluster = settled({ secondaries: ['s1', 's2'] });
    const texts = Array.from({ length: 12_000 }, (_, at) => `m${at}`);
    for (let from = 0; from < texts.length; from += 4_000) appendMany(cluster, texts.slice(from, from + 4_000));
    cluster.kill('master', 's2');
    cluster.wipe('master');
    cluster.wipe('s2');
    cluster.start('master', 's2');
    cluster.slowStore('master', 2_000);
    cluster.runUntil('it fetches', () => cluster.force().state === 'fetching');
    cluster.runUntil('it has a part of it', () => cluster.recordsOf('master').length > 3);
    expect(cluster.recordsOf('master').length).toBeLessThan(cluster.recordsOf('s1').length);
    expect(cluster.force().state).toBe('fetching');
    cluster.runUntil('it has everything', () => cluster.force().state === 'ready', 60_000);
    expect(runSupervised(cluster, 15_000)).toEqual([]);
    expect(cluster.messages('s1')).toEqual([...ABC, ...texts]);
    expect(cluster.messages('master')).toEqual([...ABC, ...texts]);
  });

  test('never begins from nothing; a new log is begun where there is none, by its own name', () => {
    const cluster = settled({ secondaries: ['s1', 's2'] });
    cluster.kill('master', 's1', 's2');
    for (const node of ['master', 's1', 's2']) cluster.wipe(node);
    cluster.start('master', 's1', 's2');
    cluster.run(10_000);
    expect(reigns(cluster)).toBe(false);
    expect(cluster.force()).toMatchObject({ state: 'refused', problem: 'nothing-to-force' });
    cluster.runUntil('it may begin', () => cluster.force('new').state === 'ready', 20_000);
    cluster.runUntil('it reigns', () => reigns(cluster), 20_000);
    acknowledge(cluster, 'new');
  });

  test('a new log is refused while anybody who is heard holds one', () => {
    const cluster = settled({ secondaries: ['s1', 's2'] });
    cluster.kill('master', 's2');
    cluster.wipe('master');
    cluster.wipe('s2');
    cluster.start('master', 's2');
    cluster.run(5_000);
    cluster.runUntil('it has heard who holds one', () => cluster.force('new').state !== 'listening', 10_000);
    expect(cluster.force('new')).toMatchObject({ state: 'refused', problem: 'log-exists' });
    expect(cluster.messages('s1')).toEqual(ABC);
  });

  test('on both sides of a split begins two branches, which are foreign to each other', () => {
    const cluster = new SimCluster({ secondaries: ['s1', 's2', 's3'] });
    cluster.start('master', 's1', 's2', 's3');
    cluster.runUntil('all are voters', () => voters(cluster).length === 4);
    for (const text of ABC) acknowledge(cluster, text);
    cluster.start('standby');
    cluster.kill('master', 's1');
    cluster.cut('s2');
    cluster.kill('s2');
    cluster.run(8_000);
    cluster.runUntil('the standby begins with s3', () => cluster.force('best', 'standby').state === 'ready', 30_000);
    cluster.runUntil(
      'it reigns',
      () => reigns(cluster, 'standby') || cluster.masterOf('standby').view.phaseName === 'reigning',
      20_000,
    );
    cluster.runUntil('s3 follows', () => isBranch(cluster.world.diskOf('s3').promised.identity), 10_000);
    cluster.kill('standby', 's3');
    cluster.start('master', 's1');
    cluster.run(8_000);
    cluster.runUntil('the master begins with s1', () => ['ready', 'refused'].includes(cluster.force().state), 30_000);
    cluster.runUntil('s1 follows', () => isBranch(cluster.world.diskOf('s1').promised.identity), 20_000);
    cluster.start('s3');
    expect(runSupervised(cluster, 20_000)).toEqual([]);
    for (const node of ['s1', 's3', 'master']) expect(cluster.messages(node).slice(0, 3)).toEqual(ABC);
    expect(cluster.masterMachine.view.foreign(cluster.now).map(({ id }) => id)).toEqual(['s3']);
  });
});

test('two masters that may both begin: who has lost the log still begins none beside it', () => {
  const both = {
    ...REAL_CORES,
    master: (...[settings, start]: Parameters<typeof REAL_CORES.master>) =>
      REAL_CORES.master({ ...settings, birth: 'auto' }, start),
  };
  const cluster = settled({ secondaries: ['s1', 's2'], cores: both });
  cluster.kill('master', 's1', 's2');
  cluster.wipe('s1');
  loseBrokerData(cluster);
  cluster.start('s2', 'standby');
  cluster.run(2_000);
  cluster.start('s1');
  cluster.run(5_000);
  expect(reigns(cluster, 'standby')).toBe(false);
  cluster.start('master');
  cluster.runUntil('the log goes on', () => reigns(cluster) || reigns(cluster, 'standby'), 60_000);
  expect(runSupervised(cluster, 10_000)).toEqual([]);
  for (const node of ['master', 's1', 's2']) expect(cluster.messages(node)).toEqual(ABC);
});

test.each([true, false])(
  'an append that is held when its reign ends is answered, and the master reigns again (held: %p)',
  (holds) => {
    const cluster = settled({ secondaries: ['s1', 's2'] });
    const { epoch } = cluster.masterMachine.view.epoch;
    const { store } = cluster.world.diskOf('s1');
    const log = cluster.masterMachine.view.identity;
    const request = cluster.appendHeld('held', holds);
    const { lastIndex, lastEpoch, lastReign, lastSeq } = cluster.secondary('s1').outline;
    const end = { lastIndex, lastEpoch, lastReign, lastLog: log, lastSeq };
    const message = { type: 'join', epoch: epoch + 1, reign: 'other', log, node: 's1', store, ...end } as const;
    const join = { ...message, storeKind: 'disk', httpUrl: '' } as const;
    cluster.tellMaster('master', { type: 'wire', message: decodeWire('join', encodeWire(join)), replyTo: null });
    cluster.tellMaster('master', { type: 'flush' });
    expect(cluster.answerOf(request)).toBe('deposed');
    cluster.runUntil('it reigns again', () => reigns(cluster), 20_000);
    acknowledge(cluster, 'next');
    expect(cluster.messages('s1')).toContain('held');
  },
);

test('a store that comes back with less than it acknowledged counts no more before it is another one', () => {
  const cluster = settled({ secondaries: ['s1', 's2'] });
  const former = cluster.world.diskOf('s1').snapshot();
  const { store } = cluster.world.diskOf('s1');
  for (const text of ['d', 'e']) acknowledge(cluster, text);
  cluster.kill('s1');
  cluster.world.diskOf('s1').restore(former);
  cluster.start('s1');
  cluster.runUntil('it is another store', () => cluster.world.diskOf('s1').store !== store, 10_000);
  cluster.runUntil('it has a vote again', () => voters(cluster).length === 3 && cluster.isUp('s1'), 60_000);
  acknowledge(cluster, 'f');
  expect(cluster.messages('s1')).toEqual([...ABC, 'd', 'e', 'f']);
});

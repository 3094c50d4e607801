import type { MasterEffect, MasterEvent } from '../../../services/master/core/events';
import { HeardLogs } from '../../../services/master/core/heard-logs';
import { MasterMachine } from '../../../services/master/core/master';
import { LogOutline } from '../../../shared/protocol/log-outline';
import { NO_PROMISE } from '../../../shared/protocol/promised';
import { controlRecord } from '../../../shared/protocol/record';

const v = (node: string, log: string) =>
  ({
    type: 'vote',
    epoch: 3,
    reign: 'r3',
    log,
    node,
    store: 'd',
    granted: false,
    claimed: 3,
    lastIndex: 5,
    lastEpoch: 2,
    lastReign: 'r2',
    lastLog: log,
    lastSeq: 5,
    storeKind: 'disk',
    voters: [],
  }) as const;
test('two branches', () => {
  for (const own of [null, 'r1'])
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      const h = new HeardLogs(6000);
      for (const b of order) h.record(0, v(`s-${b}`, `r1/${b}`));
      console.log(own, order, h.best(0, own)?.node);
    }
});
function machine(
  promised: object,
  settings: object = {},
  voters = [
    { node: 'master', store: 'M' },
    { node: 's1', store: 'A' },
    { node: 's2', store: 'B' },
  ],
) {
  const outline = new LogOutline();
  outline.append(
    controlRecord({ index: 1, epoch: 1, seq: 0 }, { control: 'epoch', reign: 'r1', node: 'master', store: 'M' }),
  );
  outline.append(controlRecord({ index: 2, epoch: 1, seq: 0 }, { control: 'members', voters, members: ['s1', 's2'] }));
  const s = {
    node: 'master',
    store: 'M',
    secondaries: ['s1', 's2'],
    openMembership: false,
    birth: 'auto',
    logId: null,
    inMemory: false,
    quorumAppend: true,
    heartbeatIntervalMs: 500,
    suspectAfterMs: 1500,
    unhealthyAfterMs: 3000,
    inFlightBytesMax: 1 << 20,
    ...settings,
  } as const;
  const m = new MasterMachine(s, { outline, promised: { ...NO_PROMISE, epoch: 1, ...promised }, checksum: 0 });
  const log: string[] = [];
  const tell = (now: number, e: MasterEvent): MasterEffect[] => {
    const all: MasterEffect[] = [];
    for (const f of m.step(now, e)) {
      all.push(f);
      if (f.do === 'savePromise') all.push(...tell(now, { type: 'promiseSaved', promised: f.promised }));
      if (f.do === 'store') all.push(...tell(now, { type: 'stored', generation: f.generation, checksum: 0 }));
      if (f.do === 'force') log.push(JSON.stringify(f.plan));
    }
    return all;
  };
  return { m, tell, log };
}
for (const [name, promised] of [
  ['whole', {}],
  ['branch known by name only', { identity: 'r1/r9', log: 'r1/r9' }],
] as const)
  test(`force of ${name}`, () => {
    const { m, tell, log } = machine(promised);
    tell(0, { type: 'up', freshBroker: false, reign: 'x1' });
    for (let t = 0; t <= 4000; t += 500) tell(t, { type: 'tick', reign: `t${t}`, random: 0 });
    tell(4000, { type: 'force', request: 1, begin: 'best' });
    for (let t = 4000; t <= 60000; t += 500) tell(t, { type: 'tick', reign: `u${t}`, random: 0 });
    console.log(name, log, m.phaseName, m.waitingFor(60000), m.forcePlan(60000, 'best').state, m.identity);
  });

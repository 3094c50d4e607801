import type { Answer, MasterEffect, MasterEvent } from '#master/core/events';
import { MasterMachine } from '#master/core/master';
import type { MasterCoreSettings } from '#master/core/settings';
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { controlRecord, type LogRecord } from '#protocol/record';

const SETTINGS: MasterCoreSettings = {
  node: 'master',
  store: 'M',
  secondaries: ['s1', 's2'],
  openMembership: false,
  birth: 'auto',
  logId: null,
  inMemory: false,
  quorumAppend: false,
  heartbeatIntervalMs: 500,
  suspectAfterMs: 1_500,
  unhealthyAfterMs: 3_000,
  inFlightBytesMax: 1 << 20,
};

/** A machine whose store and broker do at once what they are told, and are heard by nobody. */
class Lone {
  readonly records: LogRecord[] = [];
  readonly answers = new Map<number, Answer>();
  readonly machine: MasterMachine;
  now = 0;
  /** False: the broker takes its time to hear of a log. */
  isToldAtOnce = true;
  readonly effects: MasterEffect[] = [];
  private requests = 0;

  constructor(
    settings: Partial<MasterCoreSettings> = {},
    records: readonly LogRecord[] = [],
    kept: Partial<Promised> = {},
  ) {
    const outline = new LogOutline();
    for (const record of records) outline.append(record);
    this.records.push(...records);
    const promised = { ...NO_PROMISE, epoch: outline.lastEpoch, ...kept };
    const seqOfId = (id: string) => this.records.find((record) => record.id === id)?.seq ?? null;
    this.machine = new MasterMachine({ ...SETTINGS, ...settings }, { outline, promised, checksum: 0, seqOfId });
  }

  tell(...events: MasterEvent[]): void {
    for (const event of events) for (const effect of this.machine.step(this.now, event)) this.perform(effect);
  }

  reign(): void {
    this.up(this.records.length === 0);
  }

  up(freshBroker: boolean): void {
    this.tell({ type: 'up', freshBroker, reign: LOG });
    // Whoever is connected has had the time to answer the claim.
    this.now += SETTINGS.heartbeatIntervalMs;
    this.tell({ type: 'tick', reign: 'dddddddddddddddd', random: 0 });
  }

  append(message: string, w: number): number {
    this.requests += 1;
    const entries = [{ message, id: null }];
    this.tell({ type: 'append', request: this.requests, entries, ts: '2026-01-01T00:00:00.000Z', writeConcern: w });
    return this.requests;
  }

  outcomeOf(request: number): string | null {
    const answer = this.answers.get(request);
    if (answer === undefined) return null;
    return 'problem' in answer ? answer.problem : answer.outcome;
  }

  private perform(effect: MasterEffect): void {
    this.effects.push(effect);
    if (effect.do === 'store') {
      this.records.push(...effect.records);
      this.tell({ type: 'stored', generation: effect.generation, checksum: 0 });
    } else if (effect.do === 'savePromise') {
      this.tell({ type: 'promiseSaved', promised: effect.promised });
    } else if (effect.do === 'declare' && this.isToldAtOnce) {
      this.tell({ type: 'declared' });
    } else if (effect.do === 'publish') {
      this.tell({ type: 'confirmed', publish: effect.publish.id });
    } else if (effect.do === 'answer') {
      this.answers.set(effect.request, effect.answer);
    }
  }
}

const LOG = 'aaaaaaaaaaaaaaaa';

/** What the standby says to all, as one that reigns in the epoch. */
function announce(epoch: number, log: string | null = LOG): MasterEvent {
  const reign = { epoch, reign: 'bbbbbbbbbbbbbbbb', log, node: 'standby', httpUrl: '' };
  const positions = { headIndex: 0, head: 0, commit: 0 };
  return { type: 'wire', replyTo: null, message: { type: 'announce', ...reign, ...positions, removed: [] } };
}

describe('a master that lost the lock while clients wait', () => {
  function lockedOut(): { lone: Lone; waiting: number } {
    const lone = new Lone();
    lone.reign();
    const waiting = lone.append('text', 3);
    lone.tell({ type: 'down' }, { type: 'locked' });
    return { lone, waiting };
  }

  test('keeps them: the lock may be held by its own lost connection', () => {
    const { lone, waiting } = lockedOut();
    lone.tell(announce(lone.machine.view.epoch.epoch));
    expect(lone.outcomeOf(waiting)).toBeNull();
    expect(lone.outcomeOf(lone.append('more', 1))).toBe('standby');
  });

  test('tells them so once it hears that another reigns in a higher epoch, and each of them once', () => {
    const { lone, waiting } = lockedOut();
    const { epoch } = lone.machine.view.epoch;
    lone.tell(announce(epoch + 1), announce(epoch + 1));
    expect(lone.answers.get(waiting)).toMatchObject({ problem: 'deposed', stored: 'unknown' });
    expect(lone.machine.view.reigningElsewhere).toEqual({ node: 'standby', httpUrl: '', log: LOG });
    expect(lone.machine.view.waiting).toBe(0);
  });

  test.each([
    ['another log', 'bbbbbbbbbbbbbbbb'],
    ['no log', null],
  ])('is not deposed by one that reigns in %s, whatever its epoch', (_, log) => {
    const { lone, waiting } = lockedOut();
    const { epoch } = lone.machine.view.epoch;
    lone.tell(announce(epoch + 7, log));
    expect(lone.outcomeOf(waiting)).toBeNull();
    lone.up(false);
    expect(lone.machine.view.epoch.epoch).toBe(epoch);
    expect(lone.machine.view.identity).toBe(LOG);
  });

  test('is deposed by one that reigns in a later branch of its log, though its epoch is lower', () => {
    const { lone, waiting } = lockedOut();
    const branch = `${LOG}/bbbbbbbbbbbbbbbb`;
    lone.tell(announce(0, branch));
    expect(lone.outcomeOf(waiting)).toBe('deposed');
    expect(lone.machine.view.identity).toBe(branch);
  });

  test('claims above what it heard when the lock is free again', () => {
    const { lone } = lockedOut();
    const { epoch } = lone.machine.view.epoch;
    lone.tell(announce(epoch + 7));
    lone.tell({ type: 'up', freshBroker: false, reign: 'cccccccccccccccc' });
    expect(lone.machine.view.epoch.epoch).toBe(epoch + 8);
  });
});

test('before the broker knows of the log nothing is published, and no queue is bound', () => {
  const lone = new Lone();
  lone.isToldAtOnce = false;
  lone.up(true);
  lone.append('one', 1);
  const said = () => lone.effects.map((effect) => effect.do).filter((each) => each !== 'trace');
  expect(said()).toContain('declare');
  expect(said()).not.toContain('publish');
  expect(said()).not.toContain('ensureMember');
  lone.tell({ type: 'declared' });
  expect(said()).toContain('publish');
});

describe('a limit', () => {
  test('of bytes in flight refuses the next append, and takes it when the broker has confirmed', () => {
    const lone = new Lone({ inFlightBytesMax: 1 });
    lone.reign();
    lone.tell({ type: 'down' });
    const first = lone.append('one', 1);
    const second = lone.append('two', 1);
    expect([lone.outcomeOf(first), lone.outcomeOf(second)]).toEqual(['acknowledged', 'overloaded']);
    expect(lone.machine.view.outline.lastSeq).toBe(1);
    lone.reign();
    expect(lone.outcomeOf(lone.append('three', 1))).toBe('acknowledged');
    expect(lone.machine.view.outline.lastSeq).toBe(2);
  });

  test('that the broker sets by blocking its publishers is one, too', () => {
    const lone = new Lone();
    lone.reign();
    lone.tell({ type: 'blocked', blocked: true });
    expect(lone.outcomeOf(lone.append('one', 1))).toBe('overloaded');
    lone.tell({ type: 'blocked', blocked: false });
    expect(lone.outcomeOf(lone.append('two', 1))).toBe('acknowledged');
  });
});

test('a concern of more nodes than there are is refused at once, and takes no seq', () => {
  const lone = new Lone();
  lone.reign();
  const request = lone.append('text', 4);
  expect(lone.answers.get(request)).toEqual({ outcome: 'unsatisfiable', w: 4, nodes: 3 });
  expect(lone.machine.view.outline.lastSeq).toBe(0);
});

test('at its end it tells everyone who waits, and takes nothing more', () => {
  const lone = new Lone();
  lone.reign();
  const waiting = lone.append('text', 2);
  lone.tell({ type: 'shutdown' });
  expect(lone.answers.get(waiting)).toMatchObject({ problem: 'shutting-down', stored: 'unknown' });
  expect(lone.outcomeOf(lone.append('more', 1))).toBe('shutting-down');
});

describe('a first write that was torn behind its first record', () => {
  const TORN = controlRecord(
    { index: 1, epoch: 1, seq: 0 },
    { control: 'epoch', reign: 'ffffffffffffffff', node: 'master', store: 'M' },
  );

  test('is begun again, under the id that this record gave', () => {
    const lone = new Lone({}, [TORN]);
    lone.up(true);
    expect(lone.machine.view.phaseName).toBe('reigning');
    expect(lone.machine.view.outline.newestConfiguration().members?.voters).toEqual([{ node: 'master', store: 'M' }]);
    expect(lone.machine.view.identity).toBe('ffffffffffffffff');
    expect(lone.machine.view.epoch.epoch).toBeGreaterThan(1);
  });

  test('is not begun again on a broker that knows of a log', () => {
    const lone = new Lone({}, [TORN]);
    lone.up(false);
    expect(lone.machine.view.phaseName).toBe('recovering');
  });

  test('is not begun again by another store than the one that began it', () => {
    const lone = new Lone({ store: 'another' }, [TORN]);
    lone.up(true);
    expect(lone.machine.view.phaseName).toBe('recovering');
  });
});

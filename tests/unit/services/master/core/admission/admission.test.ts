import { Admission, type Admitting } from '#master/core/admission/admission';
import type { Answer, Append, Await, MasterEffect, NewEntry } from '#master/core/events';
import type { Reign } from '#master/core/leadership/reign';
import { refused } from '#master/core/refusals';
import { SizeLimit } from '#master/core/size-limit';
import { generatedId } from '#protocol/entry';
import { entryRecord, type LogRecord } from '#protocol/record';
import type { WriteConcern } from '#protocol/write-concern';
import { REIGN, ReignHarness } from '../reign-harness';

const TS = '2026-01-01T00:00:00.000Z';
const SITUATION = { quorum: { required: 2, alive: 3, ok: true }, missing: [] };

/** A reign of three nodes, and a store whose readings end when the test says so. */
class Desk {
  readonly harness = new ReignHarness(['s1', 's2']);
  readonly loads: Extract<MasterEffect, { do: 'load' }>[] = [];
  readonly admission: Admission;
  readonly sizeLimit = new SizeLimit();
  reign: Reign | null;
  isStopping = false;
  isRefused = false;
  /** The log has lost its entries. */
  isCut = false;
  cuts = 0;
  isDamaged = false;
  private requests = 0;

  constructor() {
    this.harness.begin();
    this.harness.ack('s1');
    this.reign = this.harness.reign;
    this.admission = new Admission(this.master(), (id) => {
      if (this.isDamaged) return 'unreadable';
      return this.isCut ? null : (this.harness.stored.find((record) => record.id === id)?.seq ?? null);
    });
  }

  append(entries: readonly NewEntry[], writeConcern: WriteConcern = 1, holds = false, separate = false): number {
    this.requests += 1;
    const asked = { entries, ts: TS, writeConcern, deferFlush: holds, separate };
    const event: Append = { type: 'append', request: this.requests, ...asked };
    this.do((out) => this.admission.ask(event, { now: 0, reign: this.reign, out }));
    return this.requests;
  }

  /** An append that is durable. */
  stored(id: string, message: string): void {
    this.append([{ id, message }]);
    this.harness.store();
  }

  await(seq: number, writeConcern: WriteConcern): number {
    this.requests += 1;
    const event: Await = { type: 'await', request: this.requests, seq, writeConcern };
    this.do((out) => this.admission.ask(event, { now: 0, reign: this.reign, out }));
    return this.requests;
  }

  /** The oldest reading ends. */
  loaded(records?: readonly LogRecord[] | null): void {
    const load = this.loads.shift();
    if (load === undefined) throw new Error('nothing is being read');
    const { request, indexes } = load;
    const there = this.harness.stored.filter(({ index }) => indexes.includes(index));
    const event = { type: 'loaded', request, records: records === undefined ? there : records } as const;
    this.do((out) => this.admission.loaded(event, { now: 0, reign: this.reign, out }));
  }

  giveUp(request: number, why: 'timeout' | 'gone'): boolean {
    return this.admission.giveUp({ type: 'giveUp', request, why });
  }

  do(act: (out: MasterEffect[]) => void): MasterEffect[] {
    const out = this.harness.do(act);
    for (const effect of out) if (effect.do === 'load') this.loads.push(effect);
    return out;
  }

  answerTo(request: number): Answer | undefined {
    return this.harness.answers.get(request);
  }

  get lastSeq(): number {
    return this.harness.log.outline.lastSeq;
  }

  private master(): Admitting {
    const desk = this;
    const { log } = this.harness;
    const { outline } = log;
    return {
      outline: Object.assign(Object.create(outline), {
        indexOf: (seq: number) => (desk.isCut ? null : outline.indexOf(seq)),
      }),
      get epoch() {
        return desk.harness.reign.id;
      },
      get head() {
        return outline.seqAt(log.durableIndex);
      },
      get isStopping() {
        return desk.isStopping;
      },
      get cuts() {
        return desk.cuts;
      },
      sizeLimit: desk.sizeLimit,
      pendingRecord: (id) => desk.harness.pending.get(id),
      unsatisfiable: (w) => (typeof w === 'number' && w > 3 ? { w, nodes: 3 } : null),
      refusal: () => (desk.isRefused ? refused('standby', 'another reigns', SITUATION) : null),
      situation: () => SITUATION,
    };
  }
}

const A = { id: 'a', message: 'text a' };
const B = { id: 'b', message: 'text b' };

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});

describe('an append', () => {
  test('that is new gets a seq in the same step', () => {
    const request = desk.append([A]);
    expect(desk.lastSeq).toBe(1);
    desk.harness.store();
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'acknowledged', repeated: false, first: 1, seq: 1 });
  });

  test('of an id that is pending waits for that entry, and reads nothing', () => {
    const requests = [desk.append([A]), desk.append([A]), desk.append([{ ...A, message: 'other' }])];
    expect([desk.lastSeq, desk.loads]).toEqual([1, []]);
    desk.harness.store();
    expect(requests.map((request) => desk.answerTo(request))).toMatchObject([
      { outcome: 'acknowledged', repeated: false },
      { outcome: 'acknowledged', repeated: true, seq: 1 },
      { outcome: 'id-conflict', seq: 1, lines: [1] },
    ]);
  });

  test('of an id that is stored is compared with its entry, and takes no seq', () => {
    desk.stored('a', 'text a');
    const requests = [desk.append([A]), desk.append([{ ...A, message: 'other' }])];
    expect(requests.map((request) => desk.answerTo(request))).toEqual([undefined, undefined]);
    desk.loaded();
    desk.loaded();
    expect(requests.map((request) => desk.answerTo(request))).toMatchObject([
      { outcome: 'acknowledged', repeated: true, seq: 1 },
      { outcome: 'id-conflict', seq: 1 },
    ]);
    expect(desk.lastSeq).toBe(1);
  });

  test('of a known id is told a conflict, and waits, where a new one is refused', () => {
    desk.stored('a', 'text a');
    desk.isRefused = true;
    const requests = [desk.append([A]), desk.append([{ ...A, message: 'other' }]), desk.append([B])];
    desk.loaded();
    desk.loaded();
    const outcomes = requests.map((request) => desk.answerTo(request)?.outcome);
    expect(outcomes).toEqual(['acknowledged', 'id-conflict', 'refused']);
    expect(desk.answerTo(requests[2] ?? 0)).not.toHaveProperty('stored');
  });

  test('of several entries waits for the last of them, as a repeat too', () => {
    const first = desk.append([A, B], 2);
    desk.harness.store();
    const second = desk.append([B, A], 2);
    desk.loaded();
    expect([first, second].map((request) => desk.answerTo(request))).toEqual([undefined, undefined]);
    desk.harness.ack('s1');
    expect([first, second].map((request) => desk.answerTo(request))).toMatchObject([
      { outcome: 'acknowledged', repeated: false, first: 1, seq: 2, w: 2 },
      { outcome: 'acknowledged', repeated: true, first: 1, seq: 2, w: 2 },
    ]);
  });

  test('of which a part is known appends nothing', () => {
    desk.stored('a', 'text a');
    const request = desk.append([B, A]);
    desk.loaded();
    expect(desk.answerTo(request)).toEqual({ outcome: 'ids-known', lines: [2] });
    expect(desk.lastSeq).toBe(1);
  });

  test('that no message of the broker could carry takes no seq; a known one is answered all the same', () => {
    desk.stored('a', 'text a');
    desk.sizeLimit.bytesMax = 20_000;
    const large = { id: null, message: 'x'.repeat(20_000) };
    const told = { outcome: 'too-large', bytesMax: 20_000 };
    expect(desk.answerTo(desk.append([large]))).toEqual({ ...told, lines: [1] });
    expect(desk.answerTo(desk.append([B, large, B, large]))).toEqual({ ...told, lines: [2, 4] });
    expect(desk.lastSeq).toBe(1);
    // Six bytes a character at worst: only what JSON really takes counts.
    desk.append([{ id: null, message: 'x'.repeat(15_000) }]);
    expect(desk.lastSeq).toBe(2);
    desk.sizeLimit.bytesMax = 1;
    const repeat = desk.append([A]);
    desk.loaded();
    expect(desk.answerTo(repeat)).toMatchObject({ outcome: 'acknowledged', seq: 1 });
  });

  test('with an id that this reign will give is told so', () => {
    const request = desk.append([{ id: generatedId(REIGN, 1), message: 'x' }]);
    expect(desk.answerTo(request)).toEqual({ outcome: 'id-reserved', lines: [1] });
    expect(desk.lastSeq).toBe(0);
  });

  test('for more nodes than there are is not looked up', () => {
    desk.stored('a', 'text a');
    expect(desk.answerTo(desk.append([A], 4))).toEqual({ outcome: 'unsatisfiable', w: 4, nodes: 3 });
    expect(desk.loads).toEqual([]);
  });

  test('is answered when the store cannot be read, and takes no seq', () => {
    desk.stored('a', 'text a');
    const read = desk.append([A]);
    desk.loaded(null);
    desk.isDamaged = true;
    const lookedUp = desk.append([B]);
    for (const request of [read, lookedUp]) expect(desk.answerTo(request)).toEqual({ outcome: 'unreadable' });
    expect(desk.lastSeq).toBe(1);
  });
});

describe('appends that share an event', () => {
  const C = { id: 'c', message: 'text c' };
  const share = (entries: readonly NewEntry[], w: WriteConcern = 1) => desk.append(entries, w, false, true);

  test('take their seqs in order when all are new, and end together', () => {
    const request = share([A, B], 2);
    desk.harness.store();
    expect(desk.answerTo(request)).toBeUndefined();
    desk.harness.ack('s1');
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'acknowledged', repeated: false, first: 1, seq: 2, w: 2 });
  });

  test('are asked for one by one, in the same step, when an id is known, pending, reserved or cannot be looked up', () => {
    desk.stored('a', 'text a');
    desk.append([B]);
    const reserved = { id: generatedId(REIGN, 9), message: 'x' };
    const requests = [share([C, A]), share([B, C]), share([C, reserved]), share([A, B])];
    desk.isDamaged = true;
    requests.push(share([C, { id: 'd', message: 'text d' }]));
    for (const request of requests) expect(desk.answerTo(request)).toEqual({ outcome: 'split' });
    expect([desk.lastSeq, desk.loads]).toEqual([2, []]);
  });

  test('are asked for one by one when the broker takes one of them in no message', () => {
    desk.sizeLimit.bytesMax = 20_000;
    const large = { id: null, message: 'x'.repeat(20_000) };
    expect(desk.answerTo(share([large, { id: null, message: 'x' }]))).toEqual({ outcome: 'split' });
    expect(desk.lastSeq).toBe(0);
  });

  test('are refused together', () => {
    desk.isRefused = true;
    expect(desk.answerTo(share([A, B]))).toMatchObject({ outcome: 'refused', problem: 'standby' });
    expect(desk.answerTo(share([A, B], 4))).toEqual({ outcome: 'unsatisfiable', w: 4, nodes: 3 });
    expect(desk.lastSeq).toBe(0);
  });
});

describe('waiting for an entry that is there', () => {
  test('for more nodes than there are is refused, also where there is no such entry', () => {
    desk.stored('a', 'text a');
    for (const seq of [1, 7])
      expect(desk.answerTo(desk.await(seq, 4))).toEqual({ outcome: 'unsatisfiable', w: 4, nodes: 3 });
  });

  test('is for what is visible only', () => {
    desk.append([A]);
    expect(desk.answerTo(desk.await(1, 1))).toEqual({ outcome: 'no-such-entry' });
  });

  test('names the entry when its reign ends first', () => {
    desk.stored('a', 'text a');
    const request = desk.await(1, 3);
    desk.loaded();
    desk.do((out) => desk.harness.reign.end('deposed', out));
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'unresolved', problem: 'deposed', seq: 1, id: 'a' });
  });
});

describe('while the known entry is read', () => {
  let request: number;
  beforeEach(() => {
    desk.stored('a', 'text a');
    request = desk.append([A], 2, true);
  });

  test('the reign ends: the entry may be kept or cut', () => {
    desk.do((out) => desk.harness.reign.end('deposed', out));
    desk.reign = null;
    desk.isRefused = true;
    desk.loaded();
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'refused', problem: 'standby', stored: 'unknown' });
  });

  test('the reign ends and the entry is cut: another node may have it', () => {
    desk.reign = null;
    desk.isRefused = true;
    desk.isCut = true;
    desk.cuts += 1;
    desk.loaded();
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'refused', problem: 'standby', stored: 'unknown' });
  });

  test('the entry is cut: it is appended, and stored without waiting for a flush', () => {
    desk.isCut = true;
    desk.cuts += 1;
    desk.loaded();
    expect(desk.lastSeq).toBe(2);
    expect(desk.harness.effects.at(-1)).toMatchObject({ do: 'store' });
  });

  test('the log is cut, and another record takes the place: what was read of the former one counts for nothing', () => {
    const [load] = desk.loads;
    const other = entryRecord(load?.indexes[0] ?? 0, { seq: 1, epoch: 2, id: 'a', ts: TS, message: 'other' });
    desk.cuts += 1;
    desk.loaded();
    expect(desk.answerTo(request)).toBeUndefined();
    desk.loaded([other]);
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'id-conflict', seq: 1 });
  });

  test('the timeout passes: a concern that is met is acknowledged all the same', () => {
    desk.harness.ack('s1');
    expect(desk.giveUp(request, 'timeout')).toBe(true);
    desk.loaded();
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'acknowledged', seq: 1 });
  });

  test('the timeout passes: a concern that is not met is answered with the entry', () => {
    desk.giveUp(request, 'timeout');
    desk.loaded();
    const told = { outcome: 'unresolved', problem: 'write-concern-timeout', seq: 1, id: 'a', stored: true };
    expect(desk.answerTo(request)).toMatchObject(told);
  });

  test('the client leaves: nothing waits for it', () => {
    expect(desk.giveUp(request, 'gone')).toBe(true);
    desk.loaded();
    expect([desk.answerTo(request), desk.harness.reign.waiters.size]).toEqual([undefined, 0]);
  });

  test('the master stops: it is answered at once, and once', () => {
    desk.isStopping = true;
    desk.isRefused = true;
    desk.do((out) => desk.admission.end({ now: 0, reign: desk.reign, out }));
    expect(desk.answerTo(request)).toMatchObject({ outcome: 'refused', stored: 'unknown' });
    desk.loaded();
  });

  test('an append that is not being read is none of its business', () => {
    expect(desk.giveUp(99, 'timeout')).toBe(false);
  });
});

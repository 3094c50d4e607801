import { readRows, StepRecorder } from '#bench/recorders/step-recorder';
import type { Answer, MasterEffect } from '#master/core/events';
import { controlRecord, entryRecord, type LogRecord } from '#protocol/record';
import type { WireMessage } from '#protocol/wire/messages';

const SENDER = { epoch: 1, reign: 'r', log: 'l' };

function entry(seq: number): LogRecord {
  return entryRecord(seq, { seq, epoch: 1, id: `r-${seq}`, ts: '2026-01-01T00:00:00.000Z', message: 'm' });
}

function publish(id: number, ...seqs: readonly number[]): MasterEffect {
  const header = { type: 'entries', ...SENDER, prevIndex: 0, prevEpoch: 0, prevReign: '', commit: 0 } as const;
  return { do: 'publish', publish: { id, records: seqs.map(entry) }, header };
}

function store(...seqs: readonly number[]): MasterEffect {
  return { do: 'store', generation: 0, records: seqs.map(entry) };
}

function ack(node: string, applied: number): WireMessage {
  return { type: 'ack', ...SENDER, node, store: 's', index: applied, applied };
}

const STORED = { type: 'stored', generation: 0, checksum: 0, random: 0 } as const;

describe('the recorder of steps', () => {
  let now = 0;
  const recorder = (capacity = 16) => new StepRecorder(capacity, () => now);
  const at = (ms: number, act: () => void) => {
    now = ms;
    act();
  };

  it('tells the steps of an append on the master, from its request to its answer', () => {
    const steps = recorder();
    const response = {};
    const answer: Answer = { outcome: 'acknowledged', repeated: false, first: 1, seq: 1, w: 2, acks: [] };
    const append = {
      type: 'append',
      request: 7,
      entries: [{ message: 'm', id: null }],
      ts: '',
      writeConcern: 2,
    } as const;
    at(1, () => steps.recordArrived(response));
    at(2, () => steps.recordStep({ event: append, effects: [] }));
    at(3, () => steps.recordStep({ event: { type: 'flush' }, effects: [store(1)] }));
    at(4, () => steps.recordStep({ event: STORED, effects: [publish(5, 1)] }));
    at(5, () => steps.recordStep({ event: { type: 'confirmed', publish: 5 }, effects: [] }));
    const wire = { type: 'wire', message: ack('secondary-2', 1), replyTo: null } as const;
    at(6, () => steps.recordStep({ event: wire, effects: [{ do: 'answer', request: 7, answer }] }));
    at(7, () => steps.recordAnswer(response, 1));
    at(8, () => steps.recordWritten(response));
    expect(readRows(steps.bytes).get(1)).toEqual({
      seq: 1,
      arrived: 1,
      asked: 2,
      storing: 3,
      stored: 4,
      published: 4,
      confirmed: 5,
      delivered: 0,
      acked: 6,
      ackedBy: 2,
      answered: 8,
    });
  });

  it('tells when a secondary got an entry and when it was durable there', () => {
    const steps = recorder();
    const message: WireMessage = {
      type: 'entries',
      ...SENDER,
      prevIndex: 0,
      prevEpoch: 0,
      prevReign: '',
      commit: 0,
      records: [entry(1), entry(2)],
    };
    at(1, () =>
      steps.recordStep({ event: { type: 'delivery', message, tag: 1, fail: false }, effects: [store(1, 2)] }),
    );
    at(2, () => steps.recordStep({ event: STORED, effects: [] }));
    const rows = readRows(steps.bytes);
    for (const seq of [1, 2]) expect(rows.get(seq)).toMatchObject({ seq, delivered: 1, storing: 1, stored: 2 });
  });

  it('keeps the first ack and the first publish of an entry', () => {
    const steps = recorder();
    const take = (message: WireMessage) =>
      steps.recordStep({ event: { type: 'wire', message, replyTo: null }, effects: [] });
    at(1, () => steps.recordStep({ event: { type: 'flush' }, effects: [publish(1, 1)] }));
    at(2, () => steps.recordStep({ event: { type: 'flush' }, effects: [publish(2, 1)] }));
    at(3, () => take(ack('secondary-1', 1)));
    at(4, () => take(ack('secondary-2', 1)));
    expect(readRows(steps.bytes).get(1)).toMatchObject({ published: 1, acked: 3, ackedBy: 1 });
  });

  it('does not take a control record for the entry before it', () => {
    const steps = recorder();
    const control = controlRecord(
      { index: 2, epoch: 1, seq: 1 },
      { control: 'epoch', reign: 'r', node: 'n', store: 's' },
    );
    at(1, () => steps.recordStep({ event: { type: 'flush' }, effects: [store(1)] }));
    at(2, () => steps.recordStep({ event: STORED, effects: [{ do: 'store', generation: 0, records: [control] }] }));
    at(3, () => steps.recordStep({ event: STORED, effects: [] }));
    expect([...readRows(steps.bytes).values()]).toMatchObject([{ seq: 1, storing: 1, stored: 2 }]);
  });

  it('keeps the newest entries, as many as it has room for', () => {
    const steps = recorder(4);
    for (let seq = 1; seq <= 10; seq += 1)
      at(seq, () => steps.recordStep({ event: { type: 'flush' }, effects: [store(seq)] }));
    const rows = readRows(steps.bytes);
    expect([...rows.keys()].sort((a, b) => a - b)).toEqual([7, 8, 9, 10]);
    expect(rows.get(9)).toMatchObject({ storing: 9, stored: 0 });
  });
});

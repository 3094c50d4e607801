import { TailCopy } from '#tests/chaos/tail-copy';

function entry(seq: number, message = `entry ${seq}`) {
  return JSON.stringify({ seq, message });
}

function event(seq: number, { log = 'aa', message = `entry ${seq}` } = {}) {
  return { type: 'message', id: `${seq}-1.${seq}.aa.${log}`, data: entry(seq, message) };
}

function reset(reason: string, from: number, log = 'aa') {
  return { type: 'reset', id: `${from - 1}-1.1.aa.${log}`, data: JSON.stringify({ reason, from, head: 9 }) };
}

function copyOf(committed: boolean, count: number): TailCopy {
  const copy = new TailCopy({ name: 'reader', committed });
  for (let seq = 1; seq <= count; seq += 1) copy.take('node', event(seq));
  return copy;
}

it('a reader holds what it was sent, and knows how to go on', () => {
  const copy = copyOf(true, 3);
  expect(copy.differenceTo([entry(1), entry(2), entry(3)])).toBeNull();
  expect(copy.lastEventId).toBe('3-1.3.aa.aa');
  expect(copy.differenceTo([entry(1), entry(2)])).toMatch(/beyond the log/);
  expect(copy.differenceTo([entry(1), entry(2), entry(3), entry(4)])).toMatch(/nothing at seq 4/);
  expect(copy.differenceTo([entry(1), entry(2, 'other'), entry(3)])).toMatch(/at seq 2/);
});

it('a reset takes back what comes from it on', () => {
  const copy = copyOf(false, 3);
  copy.take('node', reset('cut', 2));
  copy.take('node', event(2, { message: 'other' }));
  expect(copy.differenceTo([entry(1), entry(2, 'other')])).toBeNull();
  expect(copy.resets).toEqual(['cut']);
});

it('another log comes behind a reset, and the first one comes back', () => {
  const copy = copyOf(true, 2);
  copy.take('node', reset('other-log', 1, 'bb'));
  copy.take('node', event(1, { log: 'bb', message: 'other' }));
  copy.take('node', reset('other-log', 1));
  copy.take('node', event(1));
  expect(copy.differenceTo([entry(1)])).toBeNull();
});

it('the log of a force goes on behind the log that it was forced from', () => {
  const copy = copyOf(true, 1);
  copy.take('node', event(2, { log: 'aa_bb' }));
  expect(copy.log).toBe('aa/bb');
});

it.each([
  ['an entry is left out', event(4)],
  ['an entry comes twice', event(2)],
  ['an entry is of another log, without a reset', event(3, { log: 'bb' })],
  ['an entry has no token', { ...event(3), id: '3' }],
  ['a reset begins beyond what it holds', reset('other-log', 4)],
  ['what is committed is cut', reset('cut', 2)],
])('breach: %s', (_, wrong) => {
  const copy = copyOf(true, 2);
  expect(() => copy.take('node', wrong)).toThrow(/^S9: /);
});

it('breach: what was shown as committed is another entry after a detour', () => {
  const copy = copyOf(true, 2);
  copy.take('node', reset('other-log', 1, 'bb'));
  copy.take('node', reset('other-log', 1));
  expect(() => copy.take('node', event(1, { message: 'other' }))).toThrow(/^S9: .*before/);
});

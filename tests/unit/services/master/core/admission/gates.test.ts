import fc from 'fast-check';
import { type GateFacts, refusalOf } from '#master/core/admission/gates';

const ENOUGH = { required: 2, alive: 3, ok: true };
const TOO_FEW = { required: 2, alive: 1, ok: false };
const MISSING = [{ id: 's2', status: 'Unhealthy', lastSeenMs: 2_000 }] as const;

/** A master that would take an append. */
const OPEN: GateFacts = {
  isStopping: false,
  phaseName: 'reigning',
  reigningElsewhere: null,
  isBeginning: () => false,
  waitingFor: () => 'votes',
  anotherLog: () => null,
  link: { blocked: false },
  members: ['s1', 's2'],
  quorum: ENOUGH,
  hasVoters: true,
  voters: ['master', 's1', 's2'],
  inFlightBytes: 0,
  inFlightBytesMax: 1_000,
  waiting: 0,
  situation: () => ({ quorum: ENOUGH, missing: MISSING }),
};

interface Gate {
  readonly name: string;
  readonly closed: Partial<GateFacts>;
  readonly problem: string;
  readonly says: RegExp;
}

/** In the order in which an operator would want to hear of them. */
const GATES: readonly Gate[] = [
  { name: 'it stops', closed: { isStopping: true }, problem: 'shutting-down', says: /stopping/ },
  {
    name: 'another one reigns',
    closed: { phaseName: 'standby', reigningElsewhere: { node: 'other', httpUrl: '', log: null } },
    problem: 'standby',
    says: /^other is the reigning master/,
  },
  {
    name: 'its members hold another log',
    closed: { anotherLog: () => 'They hold r9.' },
    problem: 'another-log',
    says: /r9/,
  },
  { name: 'it recovers', closed: { phaseName: 'recovering' }, problem: 'recovering', says: /waiting for votes/ },
  { name: 'the broker is blocked', closed: { link: { blocked: true } }, problem: 'overloaded', says: /alarm/ },
  {
    name: 'too few nodes are alive',
    closed: { quorum: TOO_FEW, situation: () => ({ quorum: TOO_FEW, missing: MISSING }) },
    problem: 'no-quorum',
    says: /2 of 3 nodes/,
  },
  {
    name: 'too few voters are up',
    closed: { hasVoters: false },
    problem: 'no-quorum',
    says: /2 of the voters \(master, s1, s2\)/,
  },
  { name: 'too many bytes are in flight', closed: { inFlightBytes: 1_000 }, problem: 'overloaded', says: /1000 bytes/ },
  { name: 'too many clients wait', closed: { waiting: 100_000 }, problem: 'overloaded', says: /100000 requests/ },
];

/** The first of the gates wins where two of them say the same thing of a master. */
function standingWith(gates: readonly Gate[]): GateFacts {
  return Object.assign({}, OPEN, ...gates.map(({ closed }) => closed).reverse());
}

test('a master with no gate closed takes appends', () => {
  expect(refusalOf(OPEN, 0)).toBeNull();
});

test.each(GATES.map((gate) => [gate.name, gate] as const))('it takes none when %s', (_, gate) => {
  const refusal = refusalOf(standingWith([gate]), 0);
  expect(refusal).toMatchObject({ outcome: 'refused', problem: gate.problem, missing: MISSING });
  expect(refusal?.detail).toMatch(gate.says);
});

test('of several closed gates a client hears of the first', () => {
  fc.assert(
    fc.property(fc.subarray([...GATES], { minLength: 1 }), (closed) => {
      const [first] = closed;
      const refusal = refusalOf(standingWith(closed), 0);
      expect(refusal?.problem).toBe(first?.problem);
      expect(refusal?.detail).toMatch(first?.says ?? /never/);
    }),
  );
});

test.each([
  [999, 99_999, null],
  [1_000, 0, 'overloaded'],
  [0, 100_000, 'overloaded'],
])('with %i bytes in flight and %i waiting clients: %s', (inFlightBytes, waiting, problem) => {
  expect(refusalOf({ ...OPEN, inFlightBytes, waiting }, 0)?.problem ?? null).toBe(problem);
});

test('a standby that has not heard who reigns says that somebody does', () => {
  expect(refusalOf({ ...OPEN, phaseName: 'standby' }, 0)?.detail).toContain('Another process is the reigning master');
});

test.each([
  ['begins a log and too few are there: who is missing', true, TOO_FEW, 'no-quorum'],
  ['begins a log and enough are there: what it waits for', true, ENOUGH, 'recovering'],
  ['looks for votes in a log and too few are there: what it waits for', false, TOO_FEW, 'recovering'],
])('one that %s', (_, isBeginning, quorum, problem) => {
  const standing = { ...OPEN, phaseName: 'recovering' as const, isBeginning: () => isBeginning, quorum };
  expect(refusalOf({ ...standing, situation: () => ({ quorum, missing: MISSING }) }, 0)?.problem).toBe(problem);
});

import { FaultInjector, type FaultyDelivery } from '#secondary/faults/injector';
import { type FaultSettings, NO_FAULTS } from '#secondary/faults/settings';
import { SeededRandom } from '#tests/support/seeded-random';

interface Received {
  readonly injector: FaultInjector;
  /**
   * Names of the batches in the order in which they were handed over; `!` marks an error to follow.
   */
  readonly handed: string[];
  readonly lost: string[];
  take(...names: string[]): void;
}

function injectorOf(faults: Partial<FaultSettings>, random: () => number = () => 0): Received {
  const injector = new FaultInjector({ ...NO_FAULTS, ...faults }, random);
  const handed: string[] = [];
  const lost: string[] = [];
  const batchOf = (name: string): FaultyDelivery => ({
    hand: (fail) => handed.push(fail ? `${name}!` : name),
    lose: () => lost.push(name),
  });
  const take = (...names: string[]): void => {
    for (const name of names) injector.take(batchOf(name));
  };
  return { injector, handed, lost, take };
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('without faults a batch passes at once, and no number is drawn', () => {
  const { take, handed, injector } = injectorOf({}, () => {
    throw new Error('drew a number');
  });
  take('a', 'b');
  expect(handed).toEqual(['a', 'b']);
  expect(injector.inHand).toBe(0);
});

test('a dropped batch is lost and never handed over', () => {
  const { take, handed, lost } = injectorOf({ dropRate: 1 });
  take('a', 'b');
  jest.runAllTimers();
  expect([handed, lost]).toEqual([[], ['a', 'b']]);
});

test('a delayed batch is handed over when its time has come, and counts as in hand until then', () => {
  const { take, handed, injector } = injectorOf({ delayMs: 500 });
  take('a', 'b');
  expect(injector.inHand).toBe(2);
  jest.advanceTimersByTime(499);
  expect(handed).toEqual([]);
  jest.advanceTimersByTime(1);
  expect(handed).toEqual(['a', 'b']);
  expect(injector.inHand).toBe(0);
});

test('a duplicated batch comes twice', () => {
  const { take, handed } = injectorOf({ duplicateRate: 1 });
  take('a');
  expect(handed).toEqual(['a', 'a']);
});

test('an error is asked for with the batch, and the batch still comes', () => {
  const { take, handed } = injectorOf({ failRate: 1 });
  take('a');
  expect(handed).toEqual(['a!']);
});

/** Hands out these numbers one after the other. */
function drawing(...numbers: number[]): () => number {
  return () => {
    const next = numbers.shift();
    if (next === undefined) throw new Error('no number is left');
    return next;
  };
}

test('a batch that is held back is overtaken by as many as were drawn', () => {
  // a: held, behind 1 + ⌊0.4 · 3⌋ = 2 others; b, c, d: not held.
  const { take, handed } = injectorOf({ reorderRate: 0.5 }, drawing(0.1, 0.4, 0.9, 0.9, 0.9));
  take('a', 'b', 'c', 'd');
  expect(handed).toEqual(['b', 'c', 'a', 'd']);
});

test('a batch that nothing overtakes is handed over all the same', () => {
  const { take, handed, injector } = injectorOf({ reorderRate: 1 });
  take('a');
  expect(injector.inHand).toBe(1);
  jest.advanceTimersByTime(100);
  expect(handed).toEqual(['a']);
  expect(injector.inHand).toBe(0);
});

test.each([
  ['delayed', { delayMs: 500 }],
  ['held back', { reorderRate: 1 }],
])('what is %s when the channel goes is forgotten: the broker brings it again', (_, faults) => {
  const { take, handed, injector } = injectorOf(faults);
  take('a');
  expect(injector.inHand).toBe(1);
  injector.clear();
  expect(injector.inHand).toBe(0);
  jest.runAllTimers();
  expect(handed).toEqual([]);
});

test('a change keeps what it does not name', () => {
  const { injector } = injectorOf({ delayMs: 500, dropRate: 0.5 });
  injector.change({ dropRate: 0.25, failRate: undefined });
  expect(injector.settings).toEqual({ ...NO_FAULTS, delayMs: 500, dropRate: 0.25 });
});

test.each([1, 2, 3, 4, 5])('with every fault at once each batch is lost or comes once or twice (seed %i)', (seed) => {
  const random = new SeededRandom(seed);
  const faults = { delayMs: 30, failRate: 0.3, dropRate: 0.3, duplicateRate: 0.3, reorderRate: 0.3 };
  const { take, handed, lost, injector } = injectorOf(faults, () => random.next());
  const names = Array.from({ length: 300 }, (_, at) => `batch-${at}`);
  for (const name of names) {
    take(name);
    jest.advanceTimersByTime(random.below(10));
  }
  jest.runAllTimers();
  expect(injector.inHand).toBe(0);
  const timesOf = new Map<string, number>();
  for (const name of handed) timesOf.set(name.replace('!', ''), (timesOf.get(name.replace('!', '')) ?? 0) + 1);
  expect([...new Set([...timesOf.keys(), ...lost])].sort()).toEqual([...names].sort());
  expect(lost.filter((name) => timesOf.has(name))).toEqual([]);
  expect([...new Set(timesOf.values())].sort()).toEqual([1, 2]);
});

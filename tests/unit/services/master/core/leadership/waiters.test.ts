import fc from 'fast-check';
import { type Waiter, Waiters } from '#master/core/leadership/waiters';
import { requiredAcks, type WriteConcern } from '#protocol/write-concern';

function waiter(request: number, index: number, needed: number, writeConcern: WriteConcern = needed): Waiter {
  const entries = { seq: index, id: `id-${request}`, first: index, repeated: false };
  return { request, index, ...entries, writeConcern, needed };
}

const requestsOf = (waiters: readonly Waiter[]): number[] => waiters.map(({ request }) => request);

test('whoever is met leaves, in order of index, and is not met again', () => {
  const waiters = new Waiters();
  for (const each of [waiter(1, 5, 2), waiter(2, 3, 1), waiter(3, 9, 1), waiter(4, 4, 2)]) waiters.add(each);
  const metIndex = (needed: number): number => (needed === 1 ? 9 : 4);
  expect(requestsOf(waiters.release(metIndex))).toEqual([2, 4, 3]);
  expect(waiters.release(metIndex)).toEqual([]);
  expect(waiters.size).toBe(1);
  expect(waiters.get(1)).not.toBeNull();
});

test('one that gave up is never released', () => {
  const waiters = new Waiters();
  waiters.add(waiter(1, 1, 2));
  waiters.add(waiter(2, 2, 2));
  expect(waiters.remove(1)?.request).toBe(1);
  expect(waiters.remove(1)).toBeNull();
  expect(requestsOf(waiters.release(() => 10))).toEqual([2]);
});

test('those after an index are drained, the others wait on', () => {
  const waiters = new Waiters();
  for (const each of [waiter(1, 5, 2), waiter(2, 3, 1), waiter(3, 4, 3)]) waiters.add(each);
  expect(requestsOf(waiters.drain(3))).toEqual([3, 1]);
  expect(waiters.size).toBe(1);
  expect(requestsOf(waiters.release(() => 10))).toEqual([2]);
});

test('after a change of members everyone is counted by what they asked for', () => {
  const waiters = new Waiters();
  waiters.add(waiter(1, 1, 3, 'all'));
  waiters.add(waiter(2, 1, 3, 3));
  waiters.recount((writeConcern) => requiredAcks(writeConcern, 2));
  expect(requestsOf(waiters.release((needed) => (needed <= 2 ? 1 : 0)))).toEqual([1]);
  expect(waiters.get(2)?.needed).toBe(3);
});

test('index by index exactly those are released that wait for it, whatever order they came in', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 }), (indexes) => {
      const waiters = new Waiters();
      for (const [at, index] of indexes.entries()) waiters.add(waiter(at, index, 1));
      for (let index = 1; index <= 30; index += 1) {
        const waiting = indexes.flatMap((each, at) => (each === index ? [at] : []));
        expect(requestsOf(waiters.release(() => index))).toEqual(waiting);
      }
    }),
  );
});

/** The same with a plain list: what the heaps must not change. */
class WaiterList {
  private list: Waiter[] = [];

  get size(): number {
    return this.list.length;
  }

  add(added: Waiter): void {
    this.list.push(added);
  }

  remove(request: number): Waiter | null {
    const [found] = this.takeOut((each) => each.request === request);
    return found ?? null;
  }

  release(metIndex: (needed: number) => number): Waiter[] {
    return this.takeOut(({ index, needed }) => index <= metIndex(needed));
  }

  drain(index: number): Waiter[] {
    return this.takeOut((each) => each.index > index);
  }

  recount(needed: (writeConcern: WriteConcern) => number): void {
    this.list = this.list.map((each) => ({ ...each, needed: needed(each.writeConcern) }));
  }

  private takeOut(isTaken: (each: Waiter) => boolean): Waiter[] {
    const taken = this.list.filter(isTaken);
    this.list = this.list.filter((each) => !isTaken(each));
    return taken.sort((a, b) => a.index - b.index || a.request - b.request);
  }
}

type Step =
  | { readonly do: 'add'; readonly index: number; readonly writeConcern: WriteConcern }
  | { readonly do: 'remove'; readonly request: number }
  | { readonly do: 'release'; readonly held: readonly number[] }
  | { readonly do: 'drain'; readonly index: number }
  | { readonly do: 'recount'; readonly nodes: number };

const index = fc.integer({ min: 1, max: 40 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      index,
      writeConcern: fc.constantFrom<WriteConcern>(1, 2, 3, 'majority', 'all'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), request: fc.integer({ min: 1, max: 60 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('release' as const),
      held: fc.array(fc.nat(30), { minLength: 6, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('recount' as const), nodes: fc.integer({ min: 1, max: 5 }) }) },
);

test('they behave as a list with a filter would, whatever is added, given up, met and counted again', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const waiters = new Waiters();
      const list = new WaiterList();
      let requests = 0;
      for (const each of steps) {
        if (each.do === 'add') {
          requests += 1;
          const added = waiter(requests, each.index, requiredAcks(each.writeConcern, 3), each.writeConcern);
          waiters.add(added);
          list.add(added);
        } else if (each.do === 'remove') {
          expect(waiters.remove(each.request)).toEqual(list.remove(each.request));
        } else if (each.do === 'release') {
          const metIndex = (needed: number): number => each.held[needed] ?? 0;
          expect(waiters.release(metIndex)).toEqual(list.release(metIndex));
        } else if (each.do === 'drain') {
          expect(waiters.drain(each.index)).toEqual(list.drain(each.index));
        } else {
          const needed = (writeConcern: WriteConcern): number => requiredAcks(writeConcern, each.nodes);
          waiters.recount(needed);
          list.recount(needed);
        }
        expect(waiters.size).toBe(list.size);
      }
      expect(waiters.release(() => Number.POSITIVE_INFINITY)).toEqual(list.drain(0));
    }),
  );
});

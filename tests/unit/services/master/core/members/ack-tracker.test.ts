import fc from 'fast-check';
import { AckTracker } from '#master/core/members/ack-tracker';

const ack = (node: string, index: number, store = 'disk') => ({ node, store, index, applied: index });

function trackerOf(...members: string[]): AckTracker {
  const tracker = new AckTracker();
  tracker.setMembers(members);
  return tracker;
}

test('an ack counts for everything up to its index', () => {
  const tracker = trackerOf('s1', 's2');
  expect(tracker.recordAck(ack('s2', 7))).toBe(true);
  expect(tracker.holdersOf(7)).toEqual(['s2']);
  expect(tracker.holdersOf(1)).toEqual(['s2']);
  expect(tracker.holdersOf(8)).toEqual([]);
});

test('a repeated or late ack teaches nothing', () => {
  const tracker = trackerOf('s1');
  tracker.recordAck(ack('s1', 7));
  expect(tracker.recordAck(ack('s1', 7))).toBe(false);
  expect(tracker.recordAck(ack('s1', 3))).toBe(false);
  expect(tracker.indexOf({ node: 's1', store: 'disk' })).toBe(7);
});

test('a stranger is not counted', () => {
  const tracker = trackerOf('s1');
  expect(tracker.recordAck(ack('s9', 7))).toBe(false);
  expect(tracker.recordJoin({ node: 's9', store: 'disk' })).toBe(false);
  expect(tracker.members).toEqual(['s1']);
  expect(tracker.holdersOf(1)).toEqual([]);
});

test('a member with a new store starts at nothing', () => {
  const tracker = trackerOf('s1');
  tracker.recordAck(ack('s1', 7, 'old'));
  expect(tracker.recordJoin({ node: 's1', store: 'new' })).toBe(true);
  expect(tracker.holdersOf(1)).toEqual([]);
  expect(tracker.appliedOf('s1')).toBe(0);
  expect(tracker.indexOf({ node: 's1', store: 'old' })).toBe(0);
});

test('an ack of a former store never counts again', () => {
  const tracker = trackerOf('s1');
  tracker.recordAck(ack('s1', 7, 'old'));
  tracker.recordJoin({ node: 's1', store: 'new' });
  tracker.recordAck(ack('s1', 2, 'new'));
  expect(tracker.recordAck(ack('s1', 9, 'old'))).toBe(false);
  expect(tracker.indexOf({ node: 's1', store: 'new' })).toBe(2);
  expect(tracker.holdersOf(3)).toEqual([]);
});

test('the first join of a member is not another store, and a reconnection keeps its position', () => {
  const tracker = trackerOf('s1');
  expect(tracker.recordJoin({ node: 's1', store: 'disk' })).toBe(false);
  tracker.recordAck(ack('s1', 4));
  expect(tracker.recordJoin({ node: 's1', store: 'disk' })).toBe(false);
  expect(tracker.holdersOf(4)).toEqual(['s1']);
});

test('a beat at index 0 teaches the store and nothing else', () => {
  const tracker = trackerOf('s1');
  expect(tracker.recordAck(ack('s1', 0))).toBe(false);
  expect(tracker.storeOf('s1')).toBe('disk');
});

test('in a new reign nobody holds anything, but the stores are known', () => {
  const tracker = trackerOf('s1');
  tracker.recordAck(ack('s1', 7));
  tracker.reset();
  expect(tracker.holdersOf(1)).toEqual([]);
  expect(tracker.storeOf('s1')).toBe('disk');
  expect(tracker.recordAck(ack('s1', 9, 'other'))).toBe(false);
});

test('a change of members keeps the positions of those that stay', () => {
  const tracker = trackerOf('s1', 's2');
  tracker.recordAck(ack('s1', 7));
  tracker.recordAck(ack('s2', 5));
  tracker.setMembers(['s2', 's3']);
  expect(tracker.members).toEqual(['s2', 's3']);
  expect(tracker.descendingIndexes()).toEqual([5, 0]);
  tracker.setMembers(['s1', 's2']);
  expect(tracker.holdersOf(1)).toEqual(['s2']);
});

test('the k-th highest index is held by exactly the members that acked it, whatever the order and the repetitions', () => {
  const members = ['s1', 's2', 's3', 's4'];
  const acks = fc.array(fc.record({ node: fc.constantFrom(...members, 'stranger'), index: fc.nat(30) }));
  fc.assert(
    fc.property(acks, (all) => {
      const tracker = trackerOf(...members);
      const highest = new Map(members.map((node) => [node, 0]));
      for (const { node, index } of all) {
        const known = highest.get(node);
        expect(tracker.recordAck(ack(node, index))).toBe(known !== undefined && index > known);
        if (known !== undefined) highest.set(node, Math.max(known, index));
      }
      const descending = tracker.descendingIndexes();
      for (let index = 1; index <= 31; index += 1) {
        const holders = members.filter((node) => (highest.get(node) ?? 0) >= index);
        expect(tracker.holdersOf(index)).toEqual(holders);
        expect(descending.filter((held) => held >= index)).toHaveLength(holders.length);
      }
    }),
  );
});

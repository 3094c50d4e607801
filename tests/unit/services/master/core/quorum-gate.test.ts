import fc from 'fast-check';
import { quorumOf } from '#master/core/quorum-gate';

const rows: [members: number, alive: number, quorum: { required: number; alive: number; ok: boolean }][] = [
  [0, 0, { required: 1, alive: 1, ok: true }],
  [1, 0, { required: 2, alive: 1, ok: false }],
  [1, 1, { required: 2, alive: 2, ok: true }],
  [2, 0, { required: 2, alive: 1, ok: false }],
  [2, 1, { required: 2, alive: 2, ok: true }],
  [2, 2, { required: 2, alive: 3, ok: true }],
  [3, 1, { required: 3, alive: 2, ok: false }],
  [3, 2, { required: 3, alive: 3, ok: true }],
  [4, 1, { required: 3, alive: 2, ok: false }],
  [4, 2, { required: 3, alive: 3, ok: true }],
];
test.each(rows)('of %i secondaries %i alive', (members, alive, quorum) => {
  expect(quorumOf(members, alive, true)).toEqual(quorum);
});

test('a gate that is not enforced is open, and still tells the numbers', () => {
  expect(quorumOf(2, 0, false)).toEqual({ required: 2, alive: 1, ok: true });
});

test('it is open exactly when more than half of the nodes are up, counted one by one', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 40 }), (secondaries) => {
      const nodes = [true, ...secondaries];
      const up = nodes.filter((isUp) => isUp).length;
      const { alive, required, ok } = quorumOf(secondaries.length, up - 1, true);
      expect(alive).toBe(up);
      expect(ok).toBe(up > nodes.length - up);
      expect(required > nodes.length - required && required - 1 <= nodes.length - (required - 1)).toBe(true);
    }),
  );
});

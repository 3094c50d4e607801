import { quorumOf } from '../../../../../services/master/core/quorum-gate';

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

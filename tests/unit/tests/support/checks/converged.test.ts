/** The final check of the fault tests, proven by the flaws that it must find. */
import type { Entry } from '#protocol/entry';
import { type Book, flawsOf } from '#tests/support/checks/converged';

function entry(seq: number, id: string, message = `text of ${id}`): Entry {
  return { seq, epoch: 1, id, ts: '2020-01-01T00:00:00.000Z', message };
}

const ACKNOWLEDGED = [{ id: 'b', message: 'text of b', seq: 2, w: 2, elapsedMs: 1 }];
const BOOK: Book = {
  sent: new Map(['a', 'b', 'c'].map((id) => [id, `text of ${id}`])),
  acknowledged: ACKNOWLEDGED,
};

test.each([
  ['everything that was sent', [entry(1, 'a'), entry(2, 'b'), entry(3, 'c')]],
  ['nothing of what nobody was told of', [entry(1, 'a'), entry(2, 'b')]],
])('a log with %s is sound', (_, log) => {
  expect(flawsOf(log, BOOK)).toEqual([]);
});

test.each([
  ['an acknowledged entry that is missing', [entry(1, 'a')], 'b was acknowledged at 2 with w=2 and is nowhere'],
  ['an acknowledged entry elsewhere', [entry(1, 'b'), entry(2, 'a')], 'b was acknowledged at 2 with w=2 and is 1'],
  ['a gap', [entry(1, 'a'), entry(2, 'b'), entry(4, 'c')], 'entry 3 has seq 4'],
  ['an id twice', [entry(1, 'a'), entry(2, 'b'), entry(3, 'a')], 'a is there twice, at 1 and 3'],
  ['an entry that nobody sent', [entry(1, 'x'), entry(2, 'b')], 'seq 1 is not what x sent'],
  ['another text', [entry(1, 'a', 'else'), entry(2, 'b')], 'seq 1 is not what a sent'],
])('%s is found', (_, log, flaw) => {
  expect(flawsOf(log, BOOK)).toEqual([flaw]);
});

import type { ChangeMember, MasterEffect, MemberChange } from '#master/core/events';
import { PendingChanges } from '#master/core/leadership/pending-changes';

const admit = (node: string, request: number): ChangeMember => ({ type: 'admit', request, node });
const remove = (node: string, request: number): ChangeMember => ({ type: 'remove', request, node });

/** The effects of one step: the outcome of each request, and the nodes whose queues are deleted. */
function step(act: (out: MasterEffect[]) => void) {
  const out: MasterEffect[] = [];
  act(out);
  const outcomes: [request: number, outcome: MemberChange][] = [];
  const deleted: string[] = [];
  for (const effect of out) {
    if (effect.do === 'memberChange') outcomes.push([effect.request, effect.outcome]);
    else if (effect.do === 'removeMember') deleted.push(effect.node);
    else throw new Error(`unexpected effect: ${effect.do}`);
  }
  return { outcomes, deleted };
}

const NOTHING = { outcomes: [], deleted: [] };

test.each<[what: string, change: ChangeMember, isMember: boolean, isNew: boolean]>([
  ['a node that is no member is admitted', admit('s3', 1), false, true],
  ['a node that is a member is admitted', admit('s3', 1), true, false],
  ['a node that is a member is removed', remove('s3', 1), true, true],
  ['a node that is no member is removed', remove('s3', 1), false, false],
])('when %s, the answer says whether anything had to change', (_, change, isMember, isNew) => {
  const changes = new PendingChanges();
  expect(step((out) => changes.add(change, isMember, out))).toEqual(NOTHING);
  const members = change.type === 'admit' ? ['s1', 's3'] : ['s1'];
  expect(step((out) => changes.finish(members, out)).outcomes).toEqual([[1, { outcome: 'done', isNew }]]);
});

test('a request waits until a committed configuration has the change, and is answered once', () => {
  const changes = new PendingChanges();
  changes.add(admit('s3', 1), false, []);
  changes.add(remove('s1', 2), true, []);
  expect(step((out) => changes.finish(['s1', 's2'], out))).toEqual(NOTHING);
  expect(step((out) => changes.finish(['s1', 's2', 's3'], out)).outcomes.map(([request]) => request)).toEqual([1]);
  expect(step((out) => changes.finish(['s2', 's3'], out)).outcomes.map(([request]) => request)).toEqual([2]);
  expect(step((out) => changes.finish(['s2', 's3'], out))).toEqual(NOTHING);
});

test('the queue of a removed node is deleted, and not before the removal is committed', () => {
  const changes = new PendingChanges();
  changes.add(remove('s1', 1), true, []);
  expect(step((out) => changes.finish(['s1'], out)).deleted).toEqual([]);
  expect(step((out) => changes.finish([], out)).deleted).toEqual(['s1']);
});

test('the queue of an admitted node is not deleted', () => {
  const changes = new PendingChanges();
  changes.add(admit('s1', 1), false, []);
  expect(step((out) => changes.finish(['s1'], out)).deleted).toEqual([]);
});

test('two requests for the same change are both answered', () => {
  const changes = new PendingChanges();
  changes.add(remove('s1', 1), true, []);
  expect(step((out) => changes.add(remove('s1', 2), false, out))).toEqual(NOTHING);
  expect(step((out) => changes.finish([], out)).outcomes).toEqual([
    [1, { outcome: 'done', isNew: true }],
    [2, { outcome: 'done', isNew: false }],
  ]);
});

test('the opposite change supersedes every earlier request for that node, and only for that node', () => {
  const changes = new PendingChanges();
  changes.add(remove('s1', 1), true, []);
  changes.add(remove('s1', 2), false, []);
  changes.add(remove('s2', 3), true, []);
  expect(step((out) => changes.add(admit('s1', 4), false, out))).toEqual({
    outcomes: [
      [1, { outcome: 'superseded' }],
      [2, { outcome: 'superseded' }],
    ],
    deleted: [],
  });
  // The removal of s1 is superseded, so its queue stays although this configuration lacks s1.
  const { outcomes, deleted } = step((out) => changes.finish([], out));
  expect([outcomes.map(([request]) => request), deleted]).toEqual([[3], ['s2']]);
  expect(step((out) => changes.finish(['s1'], out)).outcomes).toEqual([[4, { outcome: 'done', isNew: true }]]);
});

test.each(['shutting-down', 'deposed'] as const)(
  'a reign that ends (%s) refuses the open requests, once',
  (problem) => {
    const changes = new PendingChanges();
    changes.add(remove('s1', 1), true, []);
    changes.add(admit('s3', 2), false, []);
    changes.finish([], []);
    const { outcomes, deleted } = step((out) => changes.end(problem, out));
    expect(outcomes).toMatchObject([
      [2, { outcome: 'refused', problem, detail: expect.stringContaining('next master') }],
    ]);
    expect(deleted).toEqual([]);
    expect(step((out) => changes.end(problem, out))).toEqual(NOTHING);
    expect(step((out) => changes.finish(['s3'], out))).toEqual(NOTHING);
  },
);

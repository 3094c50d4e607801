import type { SecondaryStatus } from '#secondary/core/view';
import { announce, batch, generationIn, LENGTH, PartsHarness, SENDER } from './parts-harness';

type Act = (node: PartsHarness) => void;

/** A later branch of the log. */
const LATER = { ...SENDER, log: 'r1/r2' };

/** A node that is up, and has heard of its master whose head it has. */
function nodeThatIsOk(): PartsHarness {
  const node = new PartsHarness();
  node.parts.session.becomeUp();
  node.parts.master.record(0, announce(LENGTH));
  node.replication.becomeReady([]);
  return node;
}

/** What is wrong with a node, the gravest last, and whether readers may be sent there all the same. */
const TROUBLES: readonly [status: SecondaryStatus, isReady: boolean, becomes: Act][] = [
  ['joining', true, ({ parts }) => parts.placement.becomeUnchecked()],
  ['disconnected', false, ({ parts }) => parts.session.becomeDown()],
  [
    'passive',
    false,
    ({ parts }) => {
      parts.session.becomeDown();
      parts.session.becomeLockedOut();
    },
  ],
  ['removed', false, ({ parts }) => parts.master.record(0, announce(LENGTH, { removed: ['s1'] }))],
  ['foreign', false, ({ parts }) => void parts.foreign.record({ node: 'other', log: 'r9' })],
  ['differs', false, (node) => node.differ()],
];

describe('the status', () => {
  test('is ok, and readers may be sent here, when the head first announced is applied', () => {
    const node = nodeThatIsOk();
    expect([node.view.status, node.view.ready]).toEqual(['ok', true]);
  });

  test.each(TROUBLES)('is %s for that reason alone; ready: %s', (status, isReady, becomes) => {
    const node = nodeThatIsOk();
    becomes(node);
    expect([node.view.status, node.view.ready]).toEqual([status, isReady]);
  });

  test('names the gravest trouble of several', () => {
    const node = nodeThatIsOk();
    for (const [status, , becomes] of TROUBLES) {
      becomes(node);
      expect(node.view.status).toBe(status);
    }
  });

  test('is joining while no master is known, and catching-up until its first head is applied', () => {
    const node = new PartsHarness();
    node.parts.session.becomeUp();
    expect([node.view.status, node.view.ready]).toEqual(['joining', false]);
    node.parts.master.record(0, announce(LENGTH + 1));
    node.replication.becomeReady([]);
    expect([node.view.status, node.view.ready]).toEqual(['catching-up', false]);
    node.store(generationIn(node.deliver(1, batch(LENGTH, 1))));
    expect([node.view.status, node.view.ready]).toEqual(['ok', true]);
  });

  test('stays ok when a later head is announced', () => {
    const node = nodeThatIsOk();
    node.parts.master.record(1, announce(LENGTH + 9));
    expect(node.view.status).toBe('ok');
  });

  test('does not change when another node is removed', () => {
    const node = nodeThatIsOk();
    node.parts.master.record(1, announce(LENGTH, { removed: ['s2'] }));
    expect([node.view.status, node.view.isRemoved]).toEqual(['ok', false]);
  });
});

test('records count as applied once they are durable, and the outline has them before', () => {
  const node = new PartsHarness();
  const { view } = node;
  const generation = generationIn(node.deliver(1, batch(LENGTH, 2, { commit: LENGTH + 1 })));
  const positions = () => [view.outline.lastIndex, view.durableIndex, view.applied, view.ackedIndex, view.commit];
  expect(positions()).toEqual([LENGTH + 2, LENGTH, LENGTH - 1, LENGTH, LENGTH - 1]);
  node.store(generation);
  expect(positions()).toEqual([LENGTH + 2, LENGTH + 2, LENGTH + 1, LENGTH + 2, LENGTH]);
});

test.each<[what: string, acked: number, act: Act]>([
  ['whose log is checked', LENGTH, () => undefined],
  ['whose log is not checked', 0, ({ parts }) => parts.placement.becomeUnchecked()],
  ['whose promise is not durable', 0, ({ parts }) => void parts.ballot.learnIdentity(LATER, [])],
  ['whose log differs', 0, (node) => node.differ()],
])('a node %s may ack up to index %i', (_, acked, act) => {
  const node = new PartsHarness();
  act(node);
  expect([node.view.ackedIndex, node.view.durableIndex]).toEqual([acked, LENGTH]);
});

test.each<[what: string, headIndex: number | null, head: number, url: string | null]>([
  ['is what is applied here while no master is known', null, LENGTH - 1, null],
  ['is what is applied here when the announced one is lower', LENGTH - 2, LENGTH - 1, 'http://m:1'],
  ['is the announced one when that is higher', LENGTH + 3, LENGTH + 2, 'http://m:1'],
])('the head %s', (_, headIndex, head, url) => {
  const node = new PartsHarness();
  if (headIndex !== null) node.parts.master.record(0, announce(headIndex));
  expect([node.view.head, node.view.masterUrl]).toEqual([head, url]);
});

test('a batch beyond the end is counted in records, as buffered', () => {
  const node = new PartsHarness();
  node.deliver(1, batch(LENGTH + 1, 3));
  expect(node.view.buffered).toBe(3);
});

test('one line says who it is, whether the log is checked, and whether it consumes', () => {
  const node = nodeThatIsOk();
  expect(`${node.view}`).toMatch(/^s1 synced e1 .*buffered 0 whole$/);
  node.replication.consume([]);
  expect(`${node.view}`).toMatch(/^s1 synced consuming e1 /);
  node.promise();
  expect(`${node.view}`).toMatch(/^s1 unchecked consuming e3 /);
});

import type { MasterEffect } from '#master/core/events';
import { Announcer } from '#master/core/leadership/announcer';
import type { Reign } from '#master/core/leadership/reign';
import { LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import { controlRecord, entryRecord } from '#protocol/record';
import { REIGN, ReignHarness, reignOfThree, SELF } from '../reign-harness';

const INTERVAL_MS = 500;
const TS = '2026-01-01T00:00:00.000Z';

/** The announcer of a reign with two members. */
function announcing() {
  const harness = new ReignHarness(['s1', 's2']);
  const members = { removed: [] as string[] };
  const edge = { httpUrl: '' };
  const announcer = new Announcer({ self: SELF, log: harness.log, members, edge }, INTERVAL_MS);
  const announce = (now = 0): MasterEffect[] => {
    const out: MasterEffect[] = [];
    announcer.announceToAll(now, harness.reign, out);
    return out;
  };
  return { harness, members, edge, announcer, announce };
}

test('nothing is sent before the configuration of the reign is durable', () => {
  const { harness, announcer, announce } = announcing();
  const toOne: MasterEffect[] = [];
  harness.do((out) => harness.reign.begin(harness.members, out));
  announcer.announceTo('q1', harness.reign, toOne);
  expect([...announce(), ...toOne]).toEqual([]);
  harness.store();
  announcer.announceTo('q1', harness.reign, toOne);
  expect([...announce(), ...toOne]).toMatchObject([{ do: 'broadcast' }, { do: 'send', to: 'q1' }]);
});

test('an announcement that could not be sent stays due', () => {
  const { harness, announcer, announce } = announcing();
  harness.do((out) => harness.reign.begin(harness.members, out));
  announce(0);
  expect(announcer.isDue(0)).toBe(true);
});

test('the next announcement to all is due one interval later; one to a single node changes nothing', () => {
  const { harness, announcer, announce } = announcing();
  harness.begin();
  expect(announcer.isDue(0)).toBe(true);
  announce(1_000);
  announcer.announceTo('q1', harness.reign, []);
  expect(announcer.isDue(1_000 + INTERVAL_MS - 1)).toBe(false);
  expect(announcer.isDue(1_000 + INTERVAL_MS)).toBe(true);
});

test('it names the reign, its log, the node and its edge, and the nodes that were removed', () => {
  const { harness, members, edge, announcer, announce } = announcing();
  harness.begin();
  members.removed.push('s9');
  edge.httpUrl = 'http://master:8080';
  const message = {
    type: 'announce',
    epoch: 1,
    reign: REIGN,
    log: REIGN,
    node: SELF.node,
    removed: ['s9'],
    httpUrl: 'http://master:8080',
  };
  expect(announce()).toMatchObject([{ do: 'broadcast', message }]);
  const toOne: MasterEffect[] = [];
  announcer.announceTo('q1', harness.reign, toOne);
  expect(toOne).toMatchObject([{ do: 'send', to: 'q1', message }]);
});

test('the head is the durable one, not the appended one', () => {
  const { harness, announce } = announcing();
  harness.begin();
  const founded = harness.log.durableIndex;
  harness.append('a', 1);
  expect(harness.log.outline.lastIndex).toBe(founded + 1);
  expect(announce()).toMatchObject([{ message: { headIndex: founded, head: 0 } }]);
  harness.store();
  expect(announce()).toMatchObject([{ message: { headIndex: founded + 1, head: 1 } }]);
});

test('the commit is an index of records, control records included; the head is a seq', () => {
  const harness = reignOfThree();
  const announcer = new Announcer(
    { self: SELF, log: harness.log, members: { removed: [] }, edge: { httpUrl: '' } },
    500,
  );
  const founded = harness.log.durableIndex;
  harness.append('a', 1);
  harness.store();
  const out: MasterEffect[] = [];
  announcer.announceToAll(0, harness.reign, out);
  harness.ack('s1');
  announcer.announceToAll(0, harness.reign, out);
  expect(out).toMatchObject([{ message: { commit: founded, head: 1 } }, { message: { commit: founded + 1, head: 1 } }]);
});

test('a message that was sent does not change with the removed nodes', () => {
  const { harness, members, announce } = announcing();
  harness.begin();
  const sent = announce();
  members.removed.push('s9');
  expect(sent).toMatchObject([{ message: { removed: [] } }]);
});

test('the checksum at the head is added where it is known, and left out where it is not', () => {
  const outline = new LogOutline();
  outline.append(controlRecord({ index: 1, epoch: 1, seq: 0 }, { control: 'epoch', reign: REIGN, ...SELF }));
  for (const index of [2, 3])
    outline.append(entryRecord(index, { seq: index - 1, epoch: 1, id: `i${index}`, ts: TS, message: '' }));
  const log = new ReplicaLog({ outline, checksum: 77, commit: 0 });
  const reign = { isFounded: true, sender: { epoch: 1, reign: REIGN, log: REIGN } } as unknown as Reign;
  const announcer = new Announcer({ self: SELF, log, members: { removed: [] }, edge: { httpUrl: '' } }, INTERVAL_MS);
  const out: MasterEffect[] = [];
  announcer.announceTo('q1', reign, out);
  // The end of the log is now within a group, of which only the last checksum was known.
  log.cutFor({ type: 'diverged', ...reign.sender, endEpoch: 1, endReign: REIGN, endIndex: 2 }, {}, []);
  announcer.announceTo('q1', reign, out);
  expect(out).toMatchObject([{ message: { headIndex: 3, checksum: 77 } }, { message: { headIndex: 2 } }]);
  expect(out[1]).not.toHaveProperty('message.checksum');
});

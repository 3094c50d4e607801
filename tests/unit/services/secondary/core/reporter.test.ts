import { LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import { NO_PROMISE } from '#protocol/promised';
import { controlRecord, entryRecord, type LogRecord } from '#protocol/record';
import { decodeWire, encodeWire } from '#protocol/wire/codec';
import type { WireMessage } from '#protocol/wire/messages';
import type { SecondaryEffect } from '#secondary/core/events';
import { Reporter } from '#secondary/core/reporter';
import { Ballot } from '#secondary/core/voting/ballot';

const INTERVAL_MS = 500;
const SELF = { node: 's1', store: 'disk' };
const SENDER = { epoch: 2, reign: 'r2', log: 'r1' };
const URL = 'http://s1:1';
const CHECKSUM = 77;

const RECORDS: readonly LogRecord[] = [
  controlRecord({ index: 1, epoch: 1, seq: 0 }, { control: 'epoch', reign: 'r1', node: 'master', store: 'M' }),
  entryRecord(2, { seq: 1, epoch: 1, id: 'a', ts: '', message: '' }),
  entryRecord(3, { seq: 2, epoch: 1, id: 'b', ts: '', message: '' }),
];

/**
 * Of a node that has promised epoch 2 and holds a log of three records with this checksum, or none
 * of either.
 */
function reporterOf({ isBlank = false, inMemory = false } = {}): Reporter {
  const outline = new LogOutline();
  for (const record of isBlank ? [] : RECORDS) outline.append(record);
  const log = new ReplicaLog({ outline, checksum: CHECKSUM, commit: 0 });
  const promised = isBlank ? NO_PROMISE : { ...NO_PROMISE, epoch: 2, reign: 'r2', log: 'r1', identity: 'r1' };
  const ballot = new Ballot({ self: SELF, inMemory, logId: null, log }, promised);
  const reporter = new Reporter({ self: SELF, inMemory, log, following: ballot }, INTERVAL_MS);
  reporter.httpUrl = URL;
  return reporter;
}

/** What it sends, to whoever reads the replies, as that one decodes it. */
function sent(act: (out: SecondaryEffect[]) => void): WireMessage {
  const out: SecondaryEffect[] = [];
  act(out);
  const [effect] = out;
  if (out.length !== 1 || effect?.do !== 'send' || effect.to !== null) throw new Error(JSON.stringify(out));
  expect(decodeWire(effect.message.type, encodeWire(effect.message))).toEqual(effect.message);
  return effect.message;
}

describe('a join', () => {
  const place = { ...SELF, httpUrl: URL };

  test('says where the log ends and what the store is', () => {
    const end = { lastIndex: 3, lastEpoch: 1, lastReign: 'r1', lastLog: 'r1', lastSeq: 2 };
    const join = sent((out) => reporterOf().join(0, out));
    expect(join).toEqual({ type: 'join', ...SENDER, ...place, ...end, storeKind: 'disk' });
  });

  test('of a blank node in memory says so', () => {
    const nothing = { lastIndex: 0, lastEpoch: 0, lastReign: '', lastLog: null, lastSeq: 0 };
    const join = sent((out) => reporterOf({ isBlank: true, inMemory: true }).join(0, out));
    const sender = { epoch: 0, reign: '', log: null };
    expect(join).toEqual({ type: 'join', ...sender, ...place, ...nothing, storeKind: 'memory' });
  });
});

describe('a heartbeat', () => {
  const heartbeat = { type: 'heartbeat', ...SENDER, ...SELF, applied: 2, buffered: 0, httpUrl: URL };

  test.each<[what: string, index: number, differsAt: number | null, says: object]>([
    ['says its checksum where it is known', 3, null, { index: 3, checksum: CHECKSUM }],
    ['says none where it is not', 2, null, { index: 2 }],
    ['of a log that is not the master’s says where they part', 3, 1, { index: 3, differsAt: 1 }],
    ['of one whose place is not found yet says 0', 0, 0, { index: 0, differsAt: 0 }],
  ])('%s', (_, index, differsAt, says) => {
    expect(sent((out) => reporterOf().heartbeat(index, differsAt, out))).toEqual({
      ...heartbeat,
      ...says,
    });
  });
});

test.each<[what: string, act: (reporter: Reporter, out: SecondaryEffect[]) => void, message: object]>([
  ['an ack', (reporter, out) => reporter.ack(3, out), { type: 'ack', ...SELF, index: 3, applied: 2 }],
  ['a goodbye', (reporter, out) => reporter.leave(out), { type: 'leave', node: 's1' }],
  [
    'a fetch',
    (reporter, out) => reporter.fetch({ from: 4, lastEpoch: 1, lastReign: 'r1', limit: 9 }, out),
    { type: 'fetch', node: 's1', from: 4, lastEpoch: 1, lastReign: 'r1', limit: 9 },
  ],
])('%s is said in the epoch that is followed', (_, act, message) => {
  expect(sent((out) => act(reporterOf(), out))).toEqual({ ...SENDER, ...message });
});

describe('once an interval', () => {
  const TIMES = [0, 100, 499, 500, 501, 999, 1_001];

  test.each<[what: string, isDue: (reporter: Reporter, now: number) => boolean]>([
    ['a heartbeat is due', (reporter, now) => reporter.isHeartbeatDue(now)],
    ['a fence is due', (reporter, now) => reporter.isFenceDue(now)],
  ])('%s', (_, isDue) => {
    const reporter = reporterOf();
    expect(TIMES.filter((now) => isDue(reporter, now))).toEqual([0, 500, 1_001]);
  });

  test('a fence costs no heartbeat', () => {
    const reporter = reporterOf();
    expect([reporter.isFenceDue(0), reporter.isHeartbeatDue(0)]).toEqual([true, true]);
  });

  test('a join is a sign of life, too: the next heartbeat waits', () => {
    const reporter = reporterOf();
    reporter.join(400, []);
    expect([500, 899, 900].map((now) => reporter.isHeartbeatDue(now))).toEqual([false, false, true]);
  });
});

import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE } from '#protocol/promised';
import { secondaryParts } from '#secondary/core/parts';
import { SecondaryView } from '#secondary/core/view';
import { secondaryHealth, secondaryReadiness } from '#secondary/health';

const SETTINGS = { node: 's1', store: 'A', inMemory: false, logId: null, heartbeatIntervalMs: 500, gapTimeoutMs: 200 };
const BROKER = { blocked: true, consuming: false, redelivered: 1, dropped: 2, malformed: 3, trouble: null };

function partsOf() {
  return secondaryParts(SETTINGS, { outline: new LogOutline(), promised: NO_PROMISE, checksum: 0 });
}

test('health shows what the machine and the broker edge have counted', () => {
  const parts = partsOf();
  parts.counters.gaps = 4;
  const health = secondaryHealth({
    node: 's1',
    view: new SecondaryView(parts),
    broker: BROKER,
    warnings: [],
    catchUp: null,
    shortage: null,
  });
  const { broker, counters, ...rest } = health;
  expect(broker).toEqual({ connected: false, blocked: true, consuming: false });
  expect(counters).toEqual({
    duplicates: 0,
    gaps: 4,
    fetches: 0,
    staleEpoch: 0,
    redelivered: 1,
    dropped: 2,
    malformed: 3,
  });
  const position = { epoch: 0, applied: 0, head: 0, lag: 0, buffered: 0 };
  expect(rest).toEqual({ node: 's1', role: 'secondary', status: 'disconnected', log: null, ...position });
});

test('a node that has met a master of another log names it, and is not ready for that reason', () => {
  const parts = partsOf();
  parts.foreign.record({ node: 'm2', log: 'r9/r10' });
  const view = new SecondaryView(parts);
  const health = secondaryHealth({ node: 's1', view, broker: BROKER, warnings: [], catchUp: null, shortage: null });
  expect(health).toMatchObject({ status: 'foreign', foreign: { master: 'm2', log: 'r9' } });
  expect(secondaryReadiness(view, null)).toMatchObject({
    ready: false,
    reason: expect.stringContaining('m2') as string,
  });
});

import { readMasterSettings } from '#master/config';
import { MasterState } from '#master/core/state';
import { MasterView } from '#master/core/view';
import { masterHealth } from '#master/health';
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE } from '#protocol/promised';

test('health shows what the core has counted', () => {
  const settings = readMasterSettings({});
  const self = { node: 'm', store: 'A', birth: 'auto', logId: null, inMemory: false } as const;
  const start = { outline: new LogOutline(), promised: NO_PROMISE, checksum: 0, seqOfId: () => null };
  const state = new MasterState({ ...settings, ...self }, start);
  state.counters.resends = 4;
  const found = { members: [], outdated: [], shortage: null, brokerWarnings: [], policiesUnknown: null };
  const health = masterHealth({ view: new MasterView(state), settings, ...found }, 0);
  expect(health.counters).toEqual({ resends: 4 });
});

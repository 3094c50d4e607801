import { readSecondarySettings } from '#secondary/config';

describe('the settings of a secondary', () => {
  it('need its id', () => {
    expect(() => readSecondarySettings({})).toThrow(/NODE_ID {2}must be set/);
    expect(readSecondarySettings({ NODE_ID: 's-1' })).toMatchObject({
      nodeId: 's-1',
      http: { port: 8001 },
      store: { kind: 'disk', directory: './data/s-1' },
      faults: { delayMs: 0, failRate: 0, dropRate: 0, duplicateRate: 0, reorderRate: 0, paused: false },
      faultInjection: false,
    });
  });

  it('say which faults it starts with', () => {
    const { faults, faultInjection } = readSecondarySettings({ NODE_ID: 's', DELAY_MS: '500', FAIL_RATE: '0.1' });
    expect(faults).toMatchObject({ delayMs: 500, failRate: 0.1 });
    expect(faultInjection).toBe(false);
  });

  it('name a variable that is nearly one of theirs, and stop with it where it is missed', () => {
    expect(readSecondarySettings({ NODE_ID: 's', DELAYMS: '5' }).misspelt).toMatchObject([{ variable: 'DELAYMS' }]);
    expect(() => readSecondarySettings({ NODEID: 's' })).toThrow(/NODE_ID +must be set\n +NODEID +is no setting/);
  });

  it('ignore what only a master knows', () => {
    const limits = { MAX_MESSAGE_BYTES: '1', MAX_IN_FLIGHT_BYTES: '1', QUEUE_MAX_BYTES: '1', SUSPECT_AFTER_MS: '1' };
    const master = { SECONDARIES: 'a,a', DEFAULT_W: '99', OPEN_MEMBERSHIP: 'x', QUORUM_APPEND: 'x', STANDBY: 'x' };
    const settings = readSecondarySettings({ NODE_ID: 's', ...master, ...limits, UNHEALTHY_AFTER_MS: '1' });
    expect(settings).toMatchObject({ nodeId: 's', misspelt: [] });
  });

  it('tell every fault at once', () => {
    const wrong = { NODE_ID: 's.1', DELAY_MS: '-1', FAIL_RATE: '1.5', FAULT_INJECTION: 'on' };
    expect(() => readSecondarySettings(wrong)).toThrow(/4 settings.*NODE_ID.*DELAY_MS.*FAIL_RATE.*FAULT_INJECTION/s);
  });
});

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

  it('ignore what only a master knows', () => {
    expect(readSecondarySettings({ NODE_ID: 's', SECONDARIES: 'a,a', DEFAULT_W: '99' }).nodeId).toBe('s');
  });

  it('tell every fault at once', () => {
    const wrong = { NODE_ID: 's.1', DELAY_MS: '-1', FAIL_RATE: '1.5', FAULT_INJECTION: 'on' };
    expect(() => readSecondarySettings(wrong)).toThrow(/4 settings.*NODE_ID.*DELAY_MS.*FAIL_RATE.*FAULT_INJECTION/s);
  });
});

import { flagField, rateField, wholeNumberField } from '#process/setting-fields';
import { ConfigError, type Environment, readSettings } from '#process/settings';

const fields = {
  SIZE: wholeNumberField({ min: 1, max: 10, fallback: 5 }),
  LIMIT: wholeNumberField({ min: 1, max: 10, fallback: 7 }),
  NEEDED: wholeNumberField({ min: 0, max: 1 }),
  RATE: rateField(0),
  LOUD: flagField(false),
};

const read = (environment: Environment) =>
  readSettings(environment, fields, [
    {
      variable: 'SIZE',
      needs: ['LIMIT'],
      fault: (of) => (of.SIZE <= of.LIMIT ? null : `must be at most LIMIT (${of.LIMIT})`),
    },
  ]);

function faultsOf(environment: Environment): readonly string[] {
  try {
    read(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ variable }) => variable);
    throw error;
  }
}

describe('settings', () => {
  it('are read, defaults where nothing is set, and frozen', () => {
    const settings = read({ NEEDED: '1', RATE: '0.25', LOUD: 'true', OTHER: 'x' });
    expect(settings).toEqual({ SIZE: 5, LIMIT: 7, NEEDED: 1, RATE: 0.25, LOUD: true });
    expect(Object.isFrozen(settings)).toBe(true);
  });

  it('set to the empty string are not set', () => {
    expect(read({ NEEDED: '0', SIZE: '', LOUD: '' })).toMatchObject({ SIZE: 5, LOUD: false });
    expect(faultsOf({ NEEDED: '' })).toEqual(['NEEDED']);
  });

  it('tell every fault at once', () => {
    expect(faultsOf({ SIZE: '0', LIMIT: 'x', RATE: '2', LOUD: 'yes' })).toEqual([
      'SIZE',
      'LIMIT',
      'NEEDED',
      'RATE',
      'LOUD',
    ]);
  });

  it('show the wrong text in a report for people', () => {
    expect(() => read({ SIZE: 'ten' })).toThrow(
      '2 settings are wrong:\n  SIZE    must be a whole number from 1 to 10, not "ten"\n  NEEDED  must be set',
    );
  });

  it('are checked against each other when both are right, together with other faults', () => {
    expect(faultsOf({ SIZE: '8' })).toEqual(['NEEDED', 'SIZE']);
    expect(faultsOf({ SIZE: '8', LIMIT: 'x', NEEDED: '0' })).toEqual(['LIMIT']);
    expect(faultsOf({ SIZE: '8', LIMIT: '8', NEEDED: '0' })).toEqual([]);
  });

  it.each(['1.5', '-1', ' 1', '1 ', '0x1', '1e0', 'NaN', 'Infinity', '11'])('take no whole number of %j', (SIZE) => {
    expect(faultsOf({ SIZE, NEEDED: '0' })).toEqual(['SIZE']);
  });

  it.each(['1.01', '-0.1', 'x', '.', '1,0', '1e-3'])('take no rate of %j', (RATE) => {
    expect(faultsOf({ RATE, NEEDED: '0' })).toEqual(['RATE']);
  });
});

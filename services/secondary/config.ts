/** A secondary's settings: its environment variables, their defaults and limits. */
import { DURATION_MS_MAX, type NodeSettings, nodeFields, nodeSettings } from '#process/node-settings';
import { flagField, rateField, wholeNumberField } from '#process/setting-fields';
import { type Environment, readSettings, type SettingFields } from '#process/settings';
import { type FaultSettings, NO_FAULTS } from './faults/settings';

export interface SecondarySettings extends NodeSettings {
  /** The faults that it starts with; these need no `faultInjection`. */
  readonly faults: FaultSettings;
  /** May /faults be seen and changed over HTTP? */
  readonly faultInjection: boolean;
}

const fields = {
  ...nodeFields({ httpPort: 8001 }),
  DELAY_MS: wholeNumberField({ min: 0, max: DURATION_MS_MAX, fallback: 0 }),
  FAIL_RATE: rateField(0),
  FAULT_INJECTION: flagField(false),
} satisfies SettingFields;

/** Reads a secondary's settings. Throws a `ConfigError` that names every fault. */
export function readSecondarySettings(environment: Environment = process.env): SecondarySettings {
  const values = readSettings(environment, fields);
  return Object.freeze({
    ...nodeSettings(values, { environment, fields }),
    faults: Object.freeze({ ...NO_FAULTS, delayMs: values.DELAY_MS, failRate: values.FAIL_RATE }),
    faultInjection: values.FAULT_INJECTION,
  });
}

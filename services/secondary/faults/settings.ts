/**
 * The faults that a secondary can be told to have: their form and their limits. What each of them
 * does is not decided here.
 */
import { z } from 'zod';
import { DURATION_MS_MAX } from '#process/node-settings';

export interface FaultSettings {
  /** Wait before appending. */
  readonly delayMs: number;
  /** How often an internal error follows the append, before the ack; 0…1 like every rate. */
  readonly failRate: number;
  /** How often a batch is lost on arrival. */
  readonly dropRate: number;
  /** How often a batch is taken twice. */
  readonly duplicateRate: number;
  /** How often a batch is held back behind the next ones. */
  readonly reorderRate: number;
  /** Consumes nothing, still beats. */
  readonly paused: boolean;
}

export const NO_FAULTS: FaultSettings = Object.freeze({
  delayMs: 0,
  failRate: 0,
  dropRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
  paused: false,
});

const DELAY_RULE = `must be a whole number from 0 to ${DURATION_MS_MAX}`;
const RATE_RULE = 'must be a number from 0 to 1';
const rate = z.number({ error: RATE_RULE }).min(0, RATE_RULE).max(1, RATE_RULE).optional();

/** What a PUT may say: some of the settings, and nothing else. */
export const faultChangeSchema = z.strictObject(
  {
    delayMs: z
      .number({ error: DELAY_RULE })
      .int(DELAY_RULE)
      .min(0, DELAY_RULE)
      .max(DURATION_MS_MAX, DELAY_RULE)
      .optional(),
    failRate: rate,
    dropRate: rate,
    duplicateRate: rate,
    reorderRate: rate,
    paused: z.boolean({ error: 'must be true or false' }).optional(),
  },
  { error: 'must be a JSON object' },
);

/** The settings to change; what is left out stays. */
export type FaultChange = { readonly [Name in keyof FaultSettings]?: FaultSettings[Name] | undefined };

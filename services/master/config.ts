/**
 * The master's settings: its environment variables, their defaults and limits, and what must hold
 * between them.
 */

import {
  DURATION_MS_MAX,
  missedHeartbeatsMs,
  type NodeSettings,
  nodeFields,
  nodeSettings,
} from '#process/node-settings';
import { flagField, namesField, wholeNumberField, wordField, wrong } from '#process/setting-fields';
import {
  type Environment,
  readSettings,
  type SettingFields,
  type SettingRelation,
  type SettingValues,
  settingField,
} from '#process/settings';
import { isInMemory } from '#protocol/store-kind';
import { QUEUE_TYPES, type QueueType } from '#protocol/topology';
import { nodeCount, parseWriteConcern, type WriteConcern } from '#protocol/write-concern';

const MEBIBYTE = 2 ** 20;

/**
 * JSON writes one byte of a message as six at worst (`\u0000`), and RabbitMQ refuses what is over
 * 16 MiB: 2.5 MiB of message leave a mebibyte for the rest of the batch.
 */
const ENTRY_BYTES_LIMIT = 2.5 * MEBIBYTE;

export interface MasterSettings extends NodeSettings {
  readonly secondaries: readonly string[];
  readonly openMembership: boolean;
  readonly defaultWriteConcern: WriteConcern;
  readonly quorumAppend: boolean;
  /** A second master process of the log: takes a log over, begins none. */
  readonly standby: boolean;
  readonly suspectAfterMs: number;
  readonly unhealthyAfterMs: number;
  /** Largest message of an append, in UTF-8 bytes. */
  readonly messageBytesMax: number;
  readonly inFlightBytesMax: number;
  /** Type of each member's queue at the broker. */
  readonly queueType: QueueType;
  /** Bound of each member's queue at the broker. */
  readonly queueBytesMax: number;
}

const fields = {
  ...nodeFields({ nodeId: 'master', httpPort: 8000 }),
  SECONDARIES: namesField(),
  OPEN_MEMBERSHIP: flagField(false),
  DEFAULT_W: settingField<WriteConcern>((text) => {
    const value = parseWriteConcern(text);
    return value === null ? wrong(text, 'must be a whole number of 1 or more, majority or all') : { value };
  }, 'all'),
  QUORUM_APPEND: flagField(true),
  STANDBY: flagField(false),
  SUSPECT_AFTER_MS: wholeNumberField({ min: 1, max: DURATION_MS_MAX, fallback: null }),
  UNHEALTHY_AFTER_MS: wholeNumberField({ min: 1, max: DURATION_MS_MAX, fallback: null }),
  MAX_MESSAGE_BYTES: settingField<number | null>(readMessageBytes, null),
  MAX_IN_FLIGHT_BYTES: wholeNumberField({ min: 1, max: Number.MAX_SAFE_INTEGER, fallback: 64 * MEBIBYTE }),
  QUEUE_TYPE: wordField(QUEUE_TYPES, 'classic'),
  QUEUE_MAX_BYTES: wholeNumberField({ min: 1, max: Number.MAX_SAFE_INTEGER, fallback: 256 * MEBIBYTE }),
} satisfies SettingFields;

const relations: readonly SettingRelation<typeof fields>[] = [
  {
    variable: 'SUSPECT_AFTER_MS',
    needs: ['HEARTBEAT_INTERVAL_MS'],
    fault: (of) =>
      suspectAfterMs(of) > 2 * of.HEARTBEAT_INTERVAL_MS
        ? null
        : `must be more than twice HEARTBEAT_INTERVAL_MS (${of.HEARTBEAT_INTERVAL_MS}), not ${suspectAfterMs(of)}: one late heartbeat is no reason to suspect`,
  },
  {
    variable: 'UNHEALTHY_AFTER_MS',
    needs: ['HEARTBEAT_INTERVAL_MS', 'SUSPECT_AFTER_MS'],
    fault: (of) =>
      unhealthyAfterMs(of) > suspectAfterMs(of)
        ? null
        : `must be more than SUSPECT_AFTER_MS (${suspectAfterMs(of)}), not ${unhealthyAfterMs(of)}`,
  },
  {
    variable: 'SECONDARIES',
    needs: ['NODE_ID'],
    fault: (of) =>
      of.SECONDARIES.includes(of.NODE_ID) ? `must not name the master itself, ${of.NODE_ID} (NODE_ID)` : null,
  },
  {
    variable: 'OPEN_MEMBERSHIP',
    needs: ['SECONDARIES', 'LOG_ID', 'LOG_STORE'],
    fault: (of) => {
      if (!of.OPEN_MEMBERSHIP || of.SECONDARIES.length > 0 || of.LOG_ID !== 'auto') return null;
      const why = 'with neither, a master that lost its store could not know that there is a log already';
      return isInMemory(of.LOG_STORE)
        ? `needs SECONDARIES: ${why}`
        : `needs SECONDARIES or LOG_ID: ${why}. Set LOG_ID=new for the first start, and after it the id that /health shows as log`;
    },
  },
  {
    variable: 'LOG_NAME',
    needs: [],
    fault: (of) =>
      of.LOG_NAME === 'new'
        ? 'must not be new: an operator who forces a log names it, and "new" asks for another one'
        : null,
  },
  {
    variable: 'LOG_ID',
    needs: ['LOG_STORE'],
    fault: (of) =>
      isInMemory(of.LOG_STORE) && of.LOG_ID !== 'auto'
        ? `must be auto with LOG_STORE=${of.LOG_STORE}, not ${of.LOG_ID}: a log in memory ends when all its nodes have restarted, and another one begins`
        : null,
  },
  {
    variable: 'DEFAULT_W',
    needs: ['SECONDARIES', 'OPEN_MEMBERSHIP'],
    fault: (of) => {
      const n = nodeCount(of.SECONDARIES.length);
      if (of.OPEN_MEMBERSHIP || typeof of.DEFAULT_W !== 'number' || of.DEFAULT_W <= n) return null;
      return `must be at most ${n}, the master and SECONDARIES, not ${of.DEFAULT_W}`;
    },
  },
  {
    variable: 'MAX_MESSAGE_BYTES',
    needs: ['MAX_BODY_BYTES'],
    fault: (of) =>
      (of.MAX_MESSAGE_BYTES ?? 0) <= of.MAX_BODY_BYTES
        ? null
        : `must be at most MAX_BODY_BYTES (${of.MAX_BODY_BYTES}), not ${of.MAX_MESSAGE_BYTES}`,
  },
];

type Values = SettingValues<typeof fields>;

function suspectAfterMs(of: Pick<Values, 'SUSPECT_AFTER_MS' | 'HEARTBEAT_INTERVAL_MS'>): number {
  return of.SUSPECT_AFTER_MS ?? missedHeartbeatsMs({ heartbeatIntervalMs: of.HEARTBEAT_INTERVAL_MS });
}

function unhealthyAfterMs(of: Values): number {
  return of.UNHEALTHY_AFTER_MS ?? 2 * suspectAfterMs(of);
}

/** Reads the master's settings. Throws a `ConfigError` that names every fault. */
export function readMasterSettings(environment: Environment = process.env): MasterSettings {
  const values = readSettings(environment, fields, relations);
  return Object.freeze({
    ...nodeSettings(values, { environment, fields }),
    secondaries: Object.freeze(values.SECONDARIES),
    openMembership: values.OPEN_MEMBERSHIP,
    defaultWriteConcern: values.DEFAULT_W,
    quorumAppend: values.QUORUM_APPEND,
    standby: values.STANDBY,
    suspectAfterMs: suspectAfterMs(values),
    unhealthyAfterMs: unhealthyAfterMs(values),
    messageBytesMax: values.MAX_MESSAGE_BYTES ?? Math.min(MEBIBYTE, values.MAX_BODY_BYTES),
    inFlightBytesMax: values.MAX_IN_FLIGHT_BYTES,
    queueType: values.QUEUE_TYPE,
    queueBytesMax: values.QUEUE_MAX_BYTES,
  });
}

/**
 * Left out it is a mebibyte, or the body's limit where that is smaller: who sets only the latter
 * contradicts nothing.
 */
function readMessageBytes(text: string): { readonly value: number } | { readonly fault: string } {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= ENTRY_BYTES_LIMIT
    ? { value }
    : wrong(text, `must be a whole number from 1 to ${ENTRY_BYTES_LIMIT}`);
}

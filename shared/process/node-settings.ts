/**
 * Defines the settings that the master and a secondary share: their environment variables, and the
 * typed object that is read from them.
 */
import { STORE_KINDS, type StoreKind } from '#protocol/store-kind';
import {
  brokerUrlsField,
  hostField,
  logIdField,
  nameField,
  pathField,
  tokenField,
  webUrlField,
  wholeNumberField,
  wordField,
} from './setting-fields';
import { type Environment, misspelt, type SettingFault, type SettingFields, type SettingValues } from './settings';

/** The values of LOG_LEVEL: pino's levels. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** One of `LOG_LEVELS`. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Largest duration in a setting: one day. No interval of this log is meant to be longer, and Node's
 * timers end at 24 days.
 */
export const DURATION_MS_MAX = 86_400_000;
const GIBIBYTE = 2 ** 30;
/** Interval of the driver's ticks, the smallest heartbeat interval: a machine acts at ticks. */
export const TICK_MS = 20;
/**
 * Default of HEARTBEAT_INTERVAL_MS. What depends on it is derived from it: SUSPECT_AFTER_MS and
 * UNHEALTHY_AFTER_MS (services/master/config.ts), and what `missedHeartbeatsMs` returns.
 */
const HEARTBEAT_MS = 500;

/** Limits on what clients may hold of a node. */
export interface ClientLimits {
  /**
   * Clients at once, of each kind: readers that follow the log, reads that are being sent, requests
   * that wait for something other than their own append.
   */
  readonly readersMax: number;
  /** Bytes that were read for readers and not taken by them. */
  readonly readBytesMax: number;
  /** Longest wait for a seq, or for the replication of an entry that is in the log. */
  readonly waitMsMax: number;
  /** A client that takes nothing of its answer, or sends nothing of its body, for so long is cut off. */
  readonly stalledMs: number;
  /**
   * How long a bare seq above the head of the log is believed. What a secondary knows of the
   * master's head may be old, and the client may since have read the entry at the master.
   */
  readonly seqGraceMs: number;
}

/** The limits unless settings say otherwise. */
export const CLIENT_LIMITS: ClientLimits = Object.freeze({
  readersMax: 1_000,
  readBytesMax: 64 * 2 ** 20,
  waitMsMax: 3_600_000,
  stalledMs: 10_000,
  seqGraceMs: missedHeartbeatsMs({ heartbeatIntervalMs: HEARTBEAT_MS }),
});

/** The settings of a node. Durations are in milliseconds, `S` in seconds. */
export interface NodeSettings {
  readonly nodeId: string;
  readonly logLevel: LogLevel;
  readonly http: {
    readonly host: string;
    /** 0 for any free port. */
    readonly port: number;
    /** The URL that other nodes are told; null to derive it from the address of the server. */
    readonly publicUrl: string | null;
    readonly bodyBytesMax: number;
    /** Bearer token that requests must carry; null for none. */
    readonly apiToken: string | null;
    readonly limits: ClientLimits;
  };
  readonly broker: {
    /** AMQP URLs, tried in turn; never empty. */
    readonly urls: readonly string[];
    readonly heartbeatS: number;
    /** AMQP connections of this node. */
    readonly connections: 1 | 2;
    readonly managementUrl: string | null;
  };
  /** Prefix of the names of all exchanges and queues. */
  readonly logName: string;
  /**
   * The log that this node follows: an id, or `auto` or `new` for any. The two differ only in what
   * a master does when there is no log.
   */
  readonly logId: string;
  /** `directory` is the folder of a store that has one. */
  readonly store: { readonly kind: StoreKind; readonly directory: string };
  /** Free bytes of the log's disk below which no entry is taken; 0 for no such bound. */
  readonly diskFreeBytesMin: number;
  readonly heartbeatIntervalMs: number;
  readonly gapTimeoutMs: number;
  /** Variables that are no settings, but were probably meant to be. */
  readonly misspelt: readonly SettingFault[];
}

/**
 * The environment variables of `NodeSettings`. Without a fallback `nodeId`, NODE_ID must be set.
 */
export function nodeFields(fallback: { readonly nodeId?: string; readonly httpPort: number }) {
  return {
    NODE_ID: nameField(fallback.nodeId),
    LOG_LEVEL: wordField(LOG_LEVELS, 'info'),
    HTTP_HOST: hostField('127.0.0.1'),
    HTTP_PORT: wholeNumberField({ min: 0, max: 65_535, fallback: fallback.httpPort }),
    PUBLIC_URL: webUrlField(),
    MAX_BODY_BYTES: wholeNumberField({ min: 1, max: GIBIBYTE, fallback: 16 * 2 ** 20 }),
    API_TOKEN: tokenField(),
    MAX_READERS: wholeNumberField({ min: 1, max: 1_000_000, fallback: CLIENT_LIMITS.readersMax }),
    MAX_READ_BYTES: wholeNumberField({
      min: 2 ** 20,
      max: Number.MAX_SAFE_INTEGER,
      fallback: CLIENT_LIMITS.readBytesMax,
    }),
    MAX_WAIT_MS: wholeNumberField({ min: 1, max: DURATION_MS_MAX, fallback: CLIENT_LIMITS.waitMsMax }),
    STALLED_AFTER_MS: wholeNumberField({ min: 100, max: DURATION_MS_MAX, fallback: CLIENT_LIMITS.stalledMs }),
    AMQP_URL: brokerUrlsField('amqp://guest:guest@127.0.0.1:5672'),
    AMQP_HEARTBEAT_S: wholeNumberField({ min: 1, max: 3600, fallback: 5 }),
    AMQP_CONNECTIONS: wordField(['2', '1'], '2'),
    MANAGEMENT_URL: webUrlField(),
    LOG_NAME: nameField('rlog'),
    LOG_ID: logIdField(),
    LOG_STORE: wordField(STORE_KINDS, 'disk'),
    DATA_DIR: pathField(),
    DISK_FREE_MIN: wholeNumberField({ min: 0, max: Number.MAX_SAFE_INTEGER, fallback: GIBIBYTE / 4 }),
    HEARTBEAT_INTERVAL_MS: wholeNumberField({ min: TICK_MS, max: DURATION_MS_MAX, fallback: HEARTBEAT_MS }),
    GAP_TIMEOUT_MS: wholeNumberField({ min: 1, max: DURATION_MS_MAX, fallback: 200 }),
  } satisfies SettingFields;
}

/**
 * Converts the values of the variables to settings. Applies the default of DATA_DIR,
 * `./data/<NODE_ID>`.
 *
 * @param from where the values were read, and all fields of this role
 */
export function nodeSettings(
  values: SettingValues<ReturnType<typeof nodeFields>>,
  from: { readonly environment: Environment; readonly fields: SettingFields },
): NodeSettings {
  return {
    nodeId: values.NODE_ID,
    logLevel: values.LOG_LEVEL,
    http: Object.freeze({
      host: values.HTTP_HOST,
      port: values.HTTP_PORT,
      publicUrl: values.PUBLIC_URL,
      bodyBytesMax: values.MAX_BODY_BYTES,
      apiToken: values.API_TOKEN,
      limits: Object.freeze({
        readersMax: values.MAX_READERS,
        readBytesMax: values.MAX_READ_BYTES,
        waitMsMax: values.MAX_WAIT_MS,
        stalledMs: values.STALLED_AFTER_MS,
        seqGraceMs: missedHeartbeatsMs({ heartbeatIntervalMs: values.HEARTBEAT_INTERVAL_MS }),
      }),
    }),
    broker: Object.freeze({
      urls: Object.freeze(values.AMQP_URL),
      heartbeatS: values.AMQP_HEARTBEAT_S,
      connections: values.AMQP_CONNECTIONS === '1' ? 1 : 2,
      managementUrl: values.MANAGEMENT_URL,
    }),
    logName: values.LOG_NAME,
    logId: values.LOG_ID,
    store: Object.freeze({ kind: values.LOG_STORE, directory: values.DATA_DIR ?? `./data/${values.NODE_ID}` }),
    diskFreeBytesMin: values.DISK_FREE_MIN,
    heartbeatIntervalMs: values.HEARTBEAT_INTERVAL_MS,
    gapTimeoutMs: values.GAP_TIMEOUT_MS,
    misspelt: Object.freeze(misspelt(from.environment, from.fields)),
  };
}

/** The log id in LOG_ID; null for any log. */
export function namedLogId({ logId }: Pick<NodeSettings, 'logId'>): string | null {
  return logId === 'auto' || logId === 'new' ? null : logId;
}

/** Time in which a node that is up is heard, although one message is late and one is lost. */
export function missedHeartbeatsMs({ heartbeatIntervalMs }: Pick<NodeSettings, 'heartbeatIntervalMs'>): number {
  return 3 * heartbeatIntervalMs;
}

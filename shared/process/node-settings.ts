/**
 * The settings that the master and a secondary share: their variables, and the part of their
 * settings that follows.
 */
import {
  brokerUrlsField,
  hostField,
  logIdField,
  nameField,
  textField,
  webUrlField,
  wholeNumberField,
  wordField,
} from './setting-fields';
import type { SettingFields, SettingValues } from './settings';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A day: no interval of this log is meant to be longer, and timers of Node end at 24 days. */
export const DURATION_MS_MAX = 86_400_000;
const GIBIBYTE = 2 ** 30;

export interface NodeSettings {
  readonly nodeId: string;
  readonly logLevel: LogLevel;
  readonly http: {
    readonly host: string;
    /** 0: any free one. */
    readonly port: number;
    /** What others are told of this node's address; null: made from where it listens. */
    readonly publicUrl: string | null;
    readonly bodyBytesMax: number;
    /** null: nobody is asked for one. */
    readonly apiToken: string | null;
  };
  readonly broker: {
    /** Tried in turn; never empty. */
    readonly urls: readonly string[];
    readonly heartbeatS: number;
    readonly managementUrl: string | null;
  };
  /** Prefix of every broker object. */
  readonly logName: string;
  /**
   * Which log this node follows: an id, or any (`auto`, `new`: what a master does where there is
   * none).
   */
  readonly logId: string;
  readonly store: { readonly kind: 'memory' } | { readonly kind: 'disk'; readonly directory: string };
  readonly heartbeatIntervalMs: number;
  readonly gapTimeoutMs: number;
}

/** The variables behind `NodeSettings`. Without a `nodeId` to fall back to, NODE_ID must be set. */
export function nodeFields(fallback: { readonly nodeId?: string; readonly httpPort: number }) {
  return {
    NODE_ID: nameField(fallback.nodeId),
    LOG_LEVEL: wordField(LOG_LEVELS, 'info'),
    HTTP_HOST: hostField('127.0.0.1'),
    HTTP_PORT: wholeNumberField({ min: 0, max: 65_535, fallback: fallback.httpPort }),
    PUBLIC_URL: webUrlField(),
    MAX_BODY_BYTES: wholeNumberField({ min: 1, max: GIBIBYTE, fallback: 16 * 2 ** 20 }),
    API_TOKEN: textField(null),
    AMQP_URL: brokerUrlsField('amqp://guest:guest@127.0.0.1:5672'),
    AMQP_HEARTBEAT_S: wholeNumberField({ min: 1, max: 3600, fallback: 5 }),
    MANAGEMENT_URL: webUrlField(),
    LOG_NAME: nameField('rlog'),
    LOG_ID: logIdField(),
    LOG_STORE: wordField(['disk', 'memory'], 'disk'),
    DATA_DIR: textField(null),
    HEARTBEAT_INTERVAL_MS: wholeNumberField({ min: 1, max: DURATION_MS_MAX, fallback: 500 }),
    GAP_TIMEOUT_MS: wholeNumberField({ min: 1, max: DURATION_MS_MAX, fallback: 200 }),
  } satisfies SettingFields;
}

export function nodeSettings(values: SettingValues<ReturnType<typeof nodeFields>>): NodeSettings {
  return {
    nodeId: values.NODE_ID,
    logLevel: values.LOG_LEVEL,
    http: Object.freeze({
      host: values.HTTP_HOST,
      port: values.HTTP_PORT,
      publicUrl: values.PUBLIC_URL,
      bodyBytesMax: values.MAX_BODY_BYTES,
      apiToken: values.API_TOKEN,
    }),
    broker: Object.freeze({
      urls: Object.freeze(values.AMQP_URL),
      heartbeatS: values.AMQP_HEARTBEAT_S,
      managementUrl: values.MANAGEMENT_URL,
    }),
    logName: values.LOG_NAME,
    logId: values.LOG_ID,
    store: Object.freeze(
      values.LOG_STORE === 'memory'
        ? { kind: 'memory' }
        : { kind: 'disk', directory: values.DATA_DIR ?? `./data/${values.NODE_ID}` },
    ),
    heartbeatIntervalMs: values.HEARTBEAT_INTERVAL_MS,
    gapTimeoutMs: values.GAP_TIMEOUT_MS,
  };
}

/** The id in LOG_ID; null: any log. */
export function namedLogId({ logId }: Pick<NodeSettings, 'logId'>): string | null {
  return logId === 'auto' || logId === 'new' ? null : logId;
}

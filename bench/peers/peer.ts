/**
 * What is compared: systems that keep a log, or can be used as one, on three nodes. Each is started
 * alone, appended to by the same closed loops with the same messages, and stopped; each is told to
 * have a message on the disks of two of three before it answers, as far as it can be told so. What
 * it was told is part of its result.
 */
import type { Percentiles } from '../load/histogram';
import type { PeerSandbox } from './peer-sandbox';

export const PEER_NAMES = ['nats', 'etcd', 'redis', 'postgres'] as const;

export type PeerName = (typeof PEER_NAMES)[number];

/** Entries of a bulk append. */
export const BULK = 100;

export interface AppendClient {
  /**
   * Appends so many messages, 1 or BULK, and returns when the system has answered for all of them.
   */
  append(count: number): Promise<void>;
  close(): void;
}

export interface SystemFacts {
  readonly version: string;
  /** What is on which disks before the answer, in a few words. */
  readonly durable: string;
  /** How it was configured and how it is spoken to, a sentence each. */
  readonly configuration: readonly string[];
}

export interface RunningSystem extends SystemFacts {
  /** A connection of its own for each client. */
  connect(): Promise<AppendClient>;
}

export interface System {
  readonly title: string;
  /**
   * Returns when appends are taken by all three nodes. What it started is in the sandbox, which stops
   * it.
   */
  start(sandbox: PeerSandbox): Promise<RunningSystem>;
}

export interface RoundMeasured {
  /** One client, one message at a time. */
  readonly oneMs: Percentiles;
  /** 64 clients, one message at a time. */
  readonly singlePerSecond: number;
  readonly singleMs: Percentiles;
  /** 64 clients, BULK messages at a time. Entries, not requests. */
  readonly bulkPerSecond: number;
  readonly bulkMs: Percentiles;
}

export interface SystemResult extends Partial<SystemFacts> {
  readonly title: string;
  readonly rounds: readonly RoundMeasured[];
  /** Why it was not measured, or not to the end. */
  readonly missing?: string;
}

export interface PeersRun {
  readonly at: string;
  readonly isQuick: boolean;
  readonly machine: string;
  /** As Run.load. */
  readonly load: readonly [number, number];
  readonly secondsEach: number;
  /** Median of one appended write and fdatasync, in each round. */
  readonly syncMs: readonly number[];
  readonly systems: readonly SystemResult[];
}

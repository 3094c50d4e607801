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

/**
 * How a system is spoken to: through the client that its makers maintain, or most users take; or
 * through a small one of ours, which costs the load generator less. Each is measured by itself.
 */
export const CLIENT_KINDS = ['official', 'small'] as const;

export type ClientKind = (typeof CLIENT_KINDS)[number];

/** Entries of a bulk append. */
export const BULK = 100;

export interface AppendClient {
  /**
   * Appends so many messages, 1 or BULK, and returns when the system has answered for all of them.
   */
  append(count: number): Promise<void>;
  /** Errors of a connection that is gone already are of no interest. */
  close(): void | Promise<void>;
}

export interface SystemFacts {
  readonly version: string;
  /** What is on which disks before the answer, in a few words. */
  readonly durable: string;
  /** How it was configured and how it is spoken to, a sentence each. */
  readonly configuration: readonly string[];
}

export interface RunningSystem extends SystemFacts {
  /** One client, with a connection of its own unless its package shares them. */
  connect(): Promise<AppendClient>;
}

export interface System {
  readonly title: string;
  /** The package of its official client; none for ours, whose interface is HTTP. */
  readonly officialClient?: string;
  /**
   * Returns when appends are taken by all three nodes. What it started is in the sandbox, which stops
   * it.
   */
  start(sandbox: PeerSandbox, client: ClientKind): Promise<RunningSystem>;
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
  /** As "pg 8.23.1", "small client", "HTTP". */
  readonly client: string;
  readonly rounds: readonly RoundMeasured[];
  /** Why it was not measured, or not to the end. */
  readonly missing?: string;
}

/** Of one load of a round: one client, 64 clients, 64 clients with BULK messages a request. */
export const LOAD_NAMES = ['one', 'single', 'bulk'] as const;

export type LoadName = (typeof LOAD_NAMES)[number];

/** Ours by theirs, of the medians; `one` in ms, the others in entries a second. */
export interface PeerRatio {
  readonly load: LoadName;
  /** The peer's title. */
  readonly peer: string;
  readonly version: string;
  /** The better one of the peer's clients under this load. */
  readonly client: string;
  readonly durable: string;
  readonly ratio: number;
  readonly ours: number;
  readonly theirs: number;
  /** The ratio is judged when it has bounds. */
  readonly floor?: number;
  readonly goal?: number;
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
  readonly ratios: readonly PeerRatio[];
}

/**
 * Defines the events that a secondary's machine takes and the effects that it returns. Completion
 * is an event: the machine counts nothing as done until an event reports it.
 */
import type { FetchEffect, LogEffect } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { WireMessage } from '#protocol/wire/messages';

/**
 * The driver's number for a broker delivery; null for a batch in answer to a fetch, which needs no
 * settling.
 */
export type Tag = number | null;

/** What the driver reports. `random` is in [0, 1). */
export type SecondaryEvent =
  /** The control queue is bound and consumed. */
  | { readonly type: 'up' }
  /** The session with the broker is over, and every tag with it. */
  | { readonly type: 'down' }
  /** Another process runs under this node id. */
  | { readonly type: 'locked' }
  /** The entries queue does not exist, or was deleted while it was consumed. */
  | { readonly type: 'entriesMissing' }
  /** From the control queue. `fail`: as for a delivery. */
  | { readonly type: 'wire'; readonly message: WireMessage; readonly replyTo: string | null; readonly fail: boolean }
  /** From the entries queue. `fail`: inject an error between the append and the ack. */
  | { readonly type: 'delivery'; readonly message: WireMessage; readonly tag: number; readonly fail: boolean }
  /** A group is durable. `checksum`: the running CRC-32 at its last record. */
  | { readonly type: 'stored'; readonly generation: number; readonly checksum: number; readonly random: number }
  /** The store's running CRC-32 at an index that `lookUpChecksum` named. */
  | { readonly type: 'checksum'; readonly index: number; readonly checksum: number }
  /** A group was not stored. `fatal`: the store takes no more writes. */
  | {
      readonly type: 'storeFailed';
      readonly generation: number;
      readonly fatal: boolean;
      readonly what: string;
      readonly random: number;
    }
  | { readonly type: 'promiseSaved'; readonly promised: Promised }
  /** Time passes. `inHand`: batches that the driver delays by fault injection. */
  | { readonly type: 'tick'; readonly random: number; readonly inHand: number }
  /** An operator's fault injection: consume nothing, and go on sending heartbeats. */
  | { readonly type: 'pause'; readonly paused: boolean }
  /** The process stops in order. */
  | { readonly type: 'shutdown' };

/** What the driver performs, in order. */
export type SecondaryEffect =
  | LogEffect
  | FetchEffect
  /** Make the promise durable, then report `promiseSaved`. */
  | { readonly do: 'savePromise'; readonly promised: Promised }
  /** Acknowledge the delivery to the broker. */
  | { readonly do: 'settle'; readonly tag: number }
  /** Return the delivery to the broker after a delay, so that it does not spin. */
  | { readonly do: 'requeue'; readonly tag: number; readonly afterMs: number }
  /** Send to the queue `to`; null: to the master's replies queue. */
  | { readonly do: 'send'; readonly to: string | null; readonly message: WireMessage }
  /** Read the store's running CRC-32 at an index, then report `checksum`. */
  | { readonly do: 'lookUpChecksum'; readonly index: number }
  /** Consume the entries queue, in this session and the next ones. */
  | { readonly do: 'consume' }
  | { readonly do: 'stopConsuming' }
  /** Send what is buffered, end the session, and connect again after a pause. */
  | { readonly do: 'withdraw' }
  /** Give the store another id, and restart the process. */
  | { readonly do: 'renewStore' }
  /** End the process: the store is broken. */
  | { readonly do: 'halt'; readonly why: string };

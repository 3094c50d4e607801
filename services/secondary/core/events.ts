/**
 * What goes into a secondary's machine and what comes out of it. Completion is an event: nothing
 * happens until it is reported.
 */
import type { FetchEffect, LogEffect } from '#protocol/log/replica-log';
import type { Promised } from '#protocol/promised';
import type { WireMessage } from '#protocol/wire/messages';

/**
 * The driver's handle of a broker delivery; null for what came in answer to a fetch, which needs no
 * settling.
 */
export type Tag = number | null;

export type SecondaryEvent =
  /** The control queue is bound and consumed. */
  | { readonly type: 'up' }
  | { readonly type: 'down' }
  /** Another process runs under this node id. */
  | { readonly type: 'locked' }
  /** The entries queue is not there, or was deleted under the consumer. */
  | { readonly type: 'entriesMissing' }
  /** From the control queue: claims, announcements, answers to fetches. */
  | { readonly type: 'control'; readonly message: WireMessage; readonly replyTo: string | null; readonly fail: boolean }
  /** From the entries queue. `fail`: an injected error between the append and the ack. */
  | { readonly type: 'delivery'; readonly message: WireMessage; readonly tag: number; readonly fail: boolean }
  /** `checksum`: the running one of the store at the end of the group. */
  | { readonly type: 'stored'; readonly generation: number; readonly checksum: number; readonly random: number }
  /** The store's running checksum at an index that was asked for. */
  | { readonly type: 'checksum'; readonly index: number; readonly checksum: number }
  | {
      readonly type: 'storeFailed';
      readonly generation: number;
      readonly fatal: boolean;
      readonly what: string;
      readonly random: number;
    }
  | { readonly type: 'promiseSaved'; readonly promised: Promised }
  /**
   * `inHand`: deliveries that the driver holds back and has not handed over yet. `random` in [0,
   * 1).
   */
  | { readonly type: 'tick'; readonly random: number; readonly inHand: number }
  /** An operator's fault injection: consume nothing, still beat. */
  | { readonly type: 'pause'; readonly paused: boolean }
  | { readonly type: 'shutdown' };

export type SecondaryEffect =
  | LogEffect
  | FetchEffect
  | { readonly do: 'savePromise'; readonly promised: Promised }
  | { readonly do: 'settle'; readonly tag: number }
  /** Give the delivery back to the broker, after a wait so that it does not spin. */
  | { readonly do: 'requeue'; readonly tag: number; readonly afterMs: number }
  /** To the master's replies queue, or to the queue that a message named. */
  | { readonly do: 'send'; readonly to: string | null; readonly message: WireMessage }
  /** Ask the store for its running checksum at an index. */
  | { readonly do: 'lookUpChecksum'; readonly index: number }
  | { readonly do: 'consume' }
  | { readonly do: 'stopConsuming' }
  /**
   * The master has another log: say what is still to be said, give the node id free, and look again
   * after a while.
   */
  | { readonly do: 'withdraw' }
  /**
   * This store came back with less than it had acknowledged: it must be another one, from the next
   * start on.
   */
  | { readonly do: 'renewStore' }
  | { readonly do: 'halt'; readonly why: string };

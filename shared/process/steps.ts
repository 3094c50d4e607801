/**
 * Names the diagnostics channels (`node:diagnostics_channel`) of a node. They let a module that is
 * loaded beforehand (`node --require FILE`) see what the node does and when, without a line of the
 * node's code: the benchmark's recorders (bench/recorders) are such modules. A channel without a
 * subscriber costs its publisher one comparison.
 *
 * The events and effects of a core are all that happens on an append's way: `append`, `stored`,
 * `confirmed`, `delivery`, and an ack as `wire` are events, `store`, `publish`, `send` and `answer`
 * are effects. Node's own channels `http.server.request.start` and `http.server.response.finish`
 * have the rest.
 */
import { channel } from 'node:diagnostics_channel';

/** A message of `stepped`: an event that a core has taken, and its effects, not performed yet. */
export interface Stepped<Event, Effect> {
  readonly event: Event;
  readonly effects: readonly Effect[];
}

/** Each step of the node's core, once it is computed. */
export const stepped = channel('replicated-log.stepped');

/** A message of `answered`. */
export interface Answered {
  /** Node's `ServerResponse`, as Node's own channels name the request. */
  readonly response: object;
  /** Of the entry that was appended. */
  readonly seq: number;
}

/** A single append is acknowledged, and its answer is written next. */
export const answered = channel('replicated-log.answered');

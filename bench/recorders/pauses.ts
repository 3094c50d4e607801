/**
 * Loaded into a node of the benchmark (`node --require`, see preload.ts): writes a line a second
 * with what may have delayed its clients, the garbage collections and the writes of the store.
 */
import { subscribe } from 'node:diagnostics_channel';
import { createWriteStream } from 'node:fs';
import { PerformanceObserver } from 'node:perf_hooks';

/** One second of a node. Times are milliseconds. */
export interface Pauses {
  /** When it ended, by the clock of the wall. */
  readonly at: number;
  readonly gcMs: number;
  readonly gcMsMax: number;
  /** Of the store's writes, each with its sync. */
  readonly syncs: number;
  readonly syncMsMax: number;
}

const { RECORD_TO, NODE_ID } = process.env;
const NONE = { gcMs: 0, gcMsMax: 0, syncs: 0, syncMsMax: 0 };
let now = { ...NONE };
let storingSince = 0;

new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) {
    now.gcMs += duration;
    now.gcMsMax = Math.max(now.gcMsMax, duration);
  }
}).observe({ entryTypes: ['gc'] });

subscribe('replicated-log.stepped', (message) => {
  const { event, effects } = message as { event: { type: string }; effects: readonly { do: string }[] };
  if (event.type === 'stored') {
    now.syncs += 1;
    now.syncMsMax = Math.max(now.syncMsMax, performance.now() - storingSince);
  }
  if (effects.some((effect) => effect.do === 'store')) storingSince = performance.now();
});

const file = createWriteStream(`${RECORD_TO}/${NODE_ID}.record`);
setInterval(() => {
  file.write(`${JSON.stringify({ at: Date.now(), ...now } satisfies Pauses)}\n`);
  now = { ...NONE };
}, 1_000).unref();

/** The parts of a secondary's machine for the tests, with a log of one epoch. */
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { controlRecord, entryRecord, type LogRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import type { SecondaryEffect } from '#secondary/core/events';
import { secondaryParts } from '#secondary/core/parts';
import { Replication } from '#secondary/core/replication';
import { SecondaryView } from '#secondary/core/view';

export const INTERVAL_MS = 500;
export const GAP_MS = 200;
/** Records in the log at the start, one of them a control record, and their checksum. */
export const LENGTH = 4;
export const CHECKSUM = 77;
/** The epoch of the records, which is followed. */
export const SENDER = { epoch: 1, reign: 'r1', log: 'r1' } as const;
/** A later epoch of the same log. */
export const NEXT = { epoch: 3, reign: 'r3', log: 'r1' } as const;

/** Records after `prevIndex`, of the log's only epoch. */
function recordsAfter(prevIndex: number, count: number): LogRecord[] {
  return Array.from({ length: count }, (_, place) => {
    const index = prevIndex + place + 1;
    if (index > 1) return entryRecord(index, { seq: index - 1, epoch: 1, id: `id-${index}`, ts: '', message: '' });
    return controlRecord({ index, epoch: 1, seq: 0 }, { control: 'epoch', reign: 'r1', node: 'master', store: 'M' });
  });
}

/** A batch of the log's only epoch. */
export function batch(
  prevIndex: number,
  count: number,
  said: Partial<MessageOf<'entries'>> = {},
): MessageOf<'entries'> {
  const before = prevIndex === 0 ? { prevEpoch: 0, prevReign: '' } : { prevEpoch: 1, prevReign: 'r1' };
  const records = recordsAfter(prevIndex, count);
  return { type: 'entries', ...SENDER, prevIndex, ...before, commit: 0, records, ...said };
}

/** An announcement of the master of the log's only epoch. */
export function announce(headIndex: number, said: Partial<MessageOf<'announce'>> = {}): MessageOf<'announce'> {
  const positions = { headIndex, head: headIndex - 1, commit: 0 };
  return { type: 'announce', ...SENDER, node: 'master', ...positions, removed: [], httpUrl: 'http://m:1', ...said };
}

/** Node `s1` with its log. Its epoch is followed, unless `promised` says another. */
export class PartsHarness {
  readonly parts;
  readonly view: SecondaryView;
  readonly replication: Replication;

  constructor(promised: Partial<Promised> = {}, logId: string | null = null) {
    const outline = new LogOutline();
    for (const record of recordsAfter(0, LENGTH)) outline.append(record);
    const settings = { node: 's1', store: 'A', inMemory: false, logId, heartbeatIntervalMs: INTERVAL_MS };
    this.parts = secondaryParts(
      { ...settings, gapTimeoutMs: GAP_MS },
      { outline, promised: { ...NO_PROMISE, ...SENDER, identity: 'r1', ...promised }, checksum: CHECKSUM },
    );
    this.view = new SecondaryView(this.parts);
    this.replication = new Replication(this.parts, this.view);
  }

  /** The effects of an act. */
  do(act: (replication: Replication, out: SecondaryEffect[]) => void): SecondaryEffect[] {
    const out: SecondaryEffect[] = [];
    act(this.replication, out);
    return out;
  }

  /** A delivery of the entries queue. */
  deliver(tag: number, message: MessageOf<'entries'>, { now = 0, fail = false } = {}): SecondaryEffect[] {
    return this.do((replication, out) => replication.delivery(now, { type: 'delivery', message, tag, fail }, out));
  }

  /** The group under way is durable. */
  store(generation: number): SecondaryEffect[] {
    return this.do((replication, out) =>
      replication.stored({ type: 'stored', generation, checksum: CHECKSUM, random: 0 }, out),
    );
  }

  /** A higher epoch is promised, and the promise is not durable yet. */
  promise(): void {
    this.parts.placement.becomeUnchecked();
    this.parts.ballot.promiseReign(NEXT, []);
  }

  /** The log is found to differ from the master's. */
  differ(): void {
    this.parts.integrity.becomeDiffering(0, LENGTH, []);
  }
}

/** What the effects do, in order: a trace by its event, a message by its kind. */
export function told(effects: readonly SecondaryEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.do === 'trace') return effect.event;
    if (effect.do === 'send') return effect.message.type;
    return 'tag' in effect ? `${effect.do} ${effect.tag}` : effect.do;
  });
}

/** The generation of the group that the store was given last. */
export function generationIn(effects: readonly SecondaryEffect[]): number {
  const group = effects.findLast((effect) => effect.do === 'store');
  if (group === undefined) throw new Error('nothing was given to the store');
  return group.generation;
}

import fc from 'fast-check';
import { CatchUp } from '#master/core/election/catch-up';
import type { MasterEffect } from '#master/core/events';
import { isAtLeastAsUpToDate, LogOutline } from '#protocol/log/outline';
import { ReplicaLog } from '#protocol/log/replica-log';
import { controlRecord, type LogRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';

const CLAIM = { epoch: 1_000, reign: 'claimed', log: 'r1' };
const LIMIT = 3;

/** A log of control records alone: what matters here is which epoch is where. */
function logOf(epochs: readonly number[]): LogRecord[] {
  return epochs.map((epoch, at) =>
    controlRecord({ index: at + 1, epoch, seq: 0 }, { control: 'epoch', reign: `r${epoch}`, node: 'm', store: 's' }),
  );
}

function outlineOf(records: readonly LogRecord[]): LogOutline {
  const outline = new LogOutline();
  for (const record of records) outline.append(record);
  return outline;
}

/** The source: answers a fetch as a secondary does, a few records at a time. */
function answerOf(source: readonly LogRecord[], fetch: MessageOf<'fetch'>): MessageOf<'entries' | 'diverged'> {
  const outline = outlineOf(source);
  const { from, lastEpoch: prevEpoch, lastReign: prevReign } = fetch;
  const parting = outline.partingPoint({ index: from - 1, epoch: prevEpoch, reign: prevReign });
  if (parting !== null) return { type: 'diverged', ...CLAIM, ...parting };
  const records = source.slice(from - 1, from - 1 + LIMIT);
  return { type: 'entries', ...CLAIM, prevIndex: from - 1, prevEpoch, prevReign, commit: 0, records };
}

function catchUpOf(own: readonly LogRecord[], source: readonly LogRecord[], commit = 0) {
  const outline = outlineOf(own);
  const log = new ReplicaLog({ outline, checksum: 0, commit });
  const { last, lastSeq } = outlineOf(source);
  const refuser = { node: 's1', store: 'disk', last, lastSeq, replyTo: 's1' };
  return { outline, log, catchUp: new CatchUp(log, refuser, { ...CLAIM, node: 'm' }, 0) };
}

const epochs = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 20 }).map((all) => all.sort((a, b) => a - b));

/**
 * Two logs that may be: epochs written by one reign each, so what follows the first record of an
 * epoch in one log is what follows it in the other (log matching); here they share a beginning and
 * no epoch after it.
 */
const logs = fc
  .record({ shared: epochs, own: epochs, source: epochs })
  .map(({ shared, own, source }) => {
    const base = shared.at(-1) ?? 0;
    return {
      own: [...shared, ...own.map((epoch) => base + 2 * epoch)],
      source: [...shared, ...source.map((epoch) => base + 2 * epoch + 1)],
    };
  })
  .filter(({ own, source }) => !isAtLeastAsUpToDate(outlineOf(logOf(own)).last, outlineOf(logOf(source)).last));

test('from any log to that of the source, whatever the two have gone through', () => {
  fc.assert(
    fc.property(logs, (drawn) => {
      const source = logOf(drawn.source);
      const { outline, log, catchUp } = catchUpOf(logOf(drawn.own), source);
      let effects: MasterEffect[] = [];
      catchUp.ask(0, effects);
      for (let turns = 0; !catchUp.isDone; turns += 1) {
        if (turns > 200) throw new Error(`no end: ${outline} after ${drawn.source.join(' ')}`);
        const next: MasterEffect[] = [];
        for (const effect of effects) {
          if (effect.do === 'store') {
            log.recordStored(effect.generation, 0);
            catchUp.proceed(turns, next);
          }
          if (effect.do !== 'send' || effect.message.type !== 'fetch') continue;
          const answer = answerOf(source, effect.message);
          if (answer.type === 'entries') catchUp.receive(turns, answer, next);
          else catchUp.diverged(turns, answer, next);
        }
        effects = next;
      }
      expect(outline.last).toEqual(outlineOf(source).last);
      for (let index = 1; index <= source.length; index += 1)
        expect(outline.epochAt(index)).toBe(source[index - 1]?.epoch);
    }),
  );
});

test('each fetch names the store and the end that the source has told of', () => {
  const source = logOf([1, 1, 3]);
  const { catchUp } = catchUpOf(logOf([1]), source);
  const out: MasterEffect[] = [];
  catchUp.ask(0, out);
  expect(out).toMatchObject([
    {
      do: 'send',
      to: 's1',
      message: {
        type: 'fetch',
        expects: { store: 'disk', lastIndex: 3, lastEpoch: 3, lastReign: 'r3', lastLog: 'r1', lastSeq: 0 },
      },
    },
  ]);
});

test('a source that has nothing to give is given up', () => {
  const { catchUp } = catchUpOf(logOf([1]), logOf([1, 1, 3]));
  const empty = {
    type: 'entries',
    ...CLAIM,
    prevIndex: 1,
    prevEpoch: 1,
    prevReign: 'r1',
    commit: 0,
    records: [],
  } as const;
  for (let now = 0; now < 3_000; now += 500) catchUp.receive(now, empty, []);
  expect(catchUp.isStalled(3_000)).toBe(true);
});

test('what is committed is never cut', () => {
  const { outline, catchUp } = catchUpOf(logOf([1, 1, 1]), logOf([1, 2]), 2);
  const out: MasterEffect[] = [];
  const parting = { type: 'diverged', ...CLAIM, endEpoch: 1, endReign: 'r1', endIndex: 1 } as const;
  catchUp.diverged(0, parting, out);
  expect(catchUp.isContradicted).toBe(true);
  expect(outline.lastIndex).toBe(3);
  expect(out).toMatchObject([{ do: 'trace', level: 'error', facts: { source: 's1' } }]);
});

test('what is above the commit index is cut, and what follows is asked for', () => {
  const { outline, catchUp } = catchUpOf(logOf([1, 1, 1]), logOf([1, 2]), 1);
  const out: MasterEffect[] = [];
  const parting = { type: 'diverged', ...CLAIM, endEpoch: 1, endReign: 'r1', endIndex: 1 } as const;
  catchUp.diverged(0, parting, out);
  expect(catchUp.isContradicted).toBe(false);
  expect(outline.lastIndex).toBe(1);
  expect(out).toContainEqual({ do: 'truncate', index: 1 });
  expect(out.at(-1)).toMatchObject({ do: 'send', to: 's1', message: { type: 'fetch', from: 2 } });
});

test('an answer that follows the same epoch of another reign is not taken', () => {
  const { outline, catchUp } = catchUpOf(logOf([1, 1]), logOf([1, 1, 3]));
  const records = logOf([1, 1, 3]).slice(2);
  const answer = {
    type: 'entries',
    ...CLAIM,
    prevIndex: 2,
    prevEpoch: 1,
    prevReign: 'other',
    commit: 0,
    records,
  } as const;
  catchUp.receive(0, answer, []);
  expect([outline.lastIndex, catchUp.steps]).toEqual([2, 0]);
  catchUp.receive(0, { ...answer, prevReign: 'r1' }, []);
  expect([outline.lastIndex, catchUp.steps]).toEqual([3, 1]);
});

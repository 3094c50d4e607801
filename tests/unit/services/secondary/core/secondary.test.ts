/** What the machine makes of messages in an order that a broker may bring them in. */
import { LogOutline } from '#protocol/log/outline';
import { NO_PROMISE } from '#protocol/promised';
import { controlRecord, entryRecord } from '#protocol/record';
import type { MessageOf, WireMessage } from '#protocol/wire/messages';
import type { SecondaryEffect } from '#secondary/core/events';
import { secondaryParts } from '#secondary/core/parts';
import { SecondaryMachine } from '#secondary/core/secondary';

const SETTINGS = { node: 's1', store: 'A', inMemory: false, logId: null, heartbeatIntervalMs: 500, gapTimeoutMs: 200 };
const SENDER = { epoch: 3, reign: 'r3', log: 'r1' } as const;
const LENGTH = 16;

/** A log of the epochs 1 and 3; the second one begins at `start`. */
function outlineOf(start: number): LogOutline {
  const outline = new LogOutline();
  for (let index = 1; index <= LENGTH; index += 1) {
    const epoch = index < start ? 1 : 3;
    const seq = outline.lastSeq;
    if (index === 1 || index === start) {
      const opening = { control: 'epoch', reign: `r${epoch}`, node: 'master', store: 'M' } as const;
      outline.append(controlRecord({ index, epoch, seq }, opening));
    } else outline.append(entryRecord(index, { seq: seq + 1, epoch, id: `id-${index}`, ts: '', message: '' }));
  }
  return outline;
}

describe('a node whose log differs', () => {
  const theirs = outlineOf(6);

  /** The master's answer. The logs are equal up to index 5. */
  function answerTo({ from, lastEpoch, lastReign }: MessageOf<'fetch'>): WireMessage {
    const prevIndex = from - 1;
    const parting = theirs.partingPoint({ index: prevIndex, epoch: lastEpoch, reign: lastReign });
    if (parting !== null) return { type: 'diverged', ...SENDER, ...parting };
    const place = { prevIndex, prevEpoch: lastEpoch, prevReign: lastReign, commit: 0, records: [] };
    return { type: 'entries', ...SENDER, ...place, prevChecksum: prevIndex };
  }

  test('names the first entry that differs, though each answer comes again, after the next question', () => {
    const promised = { ...NO_PROMISE, epoch: 3, reign: 'r3', log: 'r1', identity: 'r1' };
    const machine = new SecondaryMachine(
      secondaryParts(SETTINGS, { outline: outlineOf(13), promised, checksum: LENGTH }),
    );
    const receive = (message: WireMessage) => machine.step(0, { type: 'wire', message, replyTo: null, fail: false });
    machine.step(0, { type: 'up' });
    const head = { node: 'master', headIndex: LENGTH, head: LENGTH - 2, commit: 0, removed: [], httpUrl: '' };
    const effects: SecondaryEffect[] = receive({ type: 'announce', ...SENDER, ...head, checksum: LENGTH + 1 });
    expect(machine.view.status).toBe('differs');
    for (let late: WireMessage | null = null, rounds = 0; machine.view.differsAt === 0; rounds += 1) {
      if (rounds > 100) throw new Error('it does not end');
      const effect = effects.shift();
      if (effect?.do === 'lookUpChecksum')
        effects.push(...machine.step(0, { type: 'checksum', index: effect.index, checksum: effect.index }));
      if (effect?.do !== 'send' || effect.message.type !== 'fetch') continue;
      const answer = answerTo(effect.message);
      effects.push(...receive(answer), ...(late === null ? [] : receive(late)));
      late = answer;
    }
    expect(machine.view.differsAt).toBe(theirs.seqAt(5) + 1);
  });
});

test('a node whose queue the master cannot make joins once an interval, however often it looks for it', () => {
  const machine = new SecondaryMachine(
    secondaryParts(SETTINGS, { outline: new LogOutline(), promised: NO_PROMISE, checksum: 0 }),
  );
  machine.step(0, { type: 'up' });
  const missing = (now: number) => machine.step(now, { type: 'entriesMissing' });
  const joins = [10, 20, 509, 510].map((now) => missing(now).filter(({ do: what }) => what === 'send').length);
  expect(joins).toEqual([1, 0, 0, 1]);
});

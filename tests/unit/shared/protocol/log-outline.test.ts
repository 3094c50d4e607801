import fc from 'fast-check';
import { isAtLeastAsUpToDate, LogOutline } from '../../../../shared/protocol/log-outline';
import type { Control } from '../../../../shared/protocol/record';

interface Shape {
  readonly index: number;
  readonly epoch: number;
  readonly seq: number;
  readonly control: Control | null;
}

type Kind = 'entry' | 'epoch' | 'members' | 'entry of a new epoch';

const reignOf = (epoch: number) => `reign-${epoch}`;

function controlOf(kind: Kind, epoch: number, index: number): Control | null {
  if (kind === 'epoch') return { control: 'epoch', reign: reignOf(epoch), node: 'a', store: 's' };
  if (kind === 'members') return { control: 'members', voters: [], members: [`m${index}`] };
  return null;
}

/** The records that follow `log` when these kinds come next. */
function following(log: readonly Shape[], kinds: readonly Kind[]): Shape[] {
  const next: Shape[] = [];
  for (const kind of kinds) {
    const last = next.at(-1) ?? log.at(-1) ?? { index: 0, epoch: 0, seq: 0 };
    const isNewEpoch = kind === 'epoch' || kind === 'entry of a new epoch' || last.epoch === 0;
    const epoch = last.epoch + (isNewEpoch ? 2 : 0);
    const index = last.index + 1;
    const control = controlOf(kind, epoch, index);
    next.push({ index, epoch, seq: last.seq + (control === null ? 1 : 0), control });
  }
  return next;
}

function outlineOf(log: readonly Shape[]): LogOutline {
  const outline = new LogOutline();
  for (const record of log) outline.append(record);
  return outline;
}

const kinds = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Kind>('entry') },
    { weight: 2, arbitrary: fc.constantFrom<Kind>('epoch', 'members', 'entry of a new epoch') },
  ),
  { maxLength: 30 },
);

/** Every question of the outline, answered by looking through the whole log. */
function expectAnswers(outline: LogOutline, log: readonly Shape[]): void {
  const last = log.at(-1) ?? { index: 0, epoch: 0, seq: 0 };
  expect(outline.last).toEqual({ index: last.index, epoch: last.epoch });
  expect(outline.lastSeq).toBe(last.seq);
  for (let index = 0; index <= log.length + 2; index += 1) {
    const record = log[index - 1];
    const isBeyond = index > log.length;
    expect(outline.epochAt(index)).toBe(isBeyond ? null : (record?.epoch ?? 0));
    expect(outline.seqAt(index)).toBe(isBeyond ? last.seq : (record?.seq ?? 0));
    const opening = log.find(({ epoch }) => epoch === record?.epoch)?.control;
    expect(outline.reignAt(index)).toBe(opening?.control === 'epoch' ? opening.reign : '');
    expect(outline.indexOf(index)).toBe(
      log.find(({ seq, control }) => control === null && seq === index)?.index ?? null,
    );
  }
  const place = log.findLast(({ control }) => control?.control === 'members');
  expect(outline.newestList()).toEqual({ index: place?.index ?? 0, members: place?.control ?? null });
  for (let epoch = 0; epoch <= last.epoch + 2; epoch += 1) {
    const end = log.findLast((record) => record.epoch <= epoch);
    expect(outline.endOfEpoch(epoch)).toEqual({ index: end?.index ?? 0, epoch: end?.epoch ?? 0 });
  }
}

test('an outline answers as the whole log would', () => {
  fc.assert(
    fc.property(kinds, (some) => {
      const log = following([], some);
      expectAnswers(outlineOf(log), log);
    }),
  );
});

test('after a truncation it answers as the shorter log, and goes on from there', () => {
  fc.assert(
    fc.property(kinds, fc.nat(30), kinds, (some, cut, more) => {
      const log = following([], some);
      const outline = outlineOf(log);
      outline.truncateAfter(cut);
      const kept = log.slice(0, cut);
      expectAnswers(outline, kept);
      const next = following(kept, more);
      for (const record of next) outline.append(record);
      expectAnswers(outline, [...kept, ...next]);
    }),
  );
});

test('a record that does not follow is refused and changes nothing', () => {
  const log = following([], ['epoch', 'entry', 'members', 'entry']);
  const outline = outlineOf(log);
  const control = controlOf('members', 2, 5);
  const bad: Shape[] = [
    { index: 4, epoch: 2, seq: 3, control: null },
    { index: 6, epoch: 2, seq: 3, control: null },
    { index: 5, epoch: 1, seq: 3, control: null },
    { index: 5, epoch: 2, seq: 2, control: null },
    { index: 5, epoch: 2, seq: 4, control: null },
    { index: 5, epoch: 2, seq: 3, control },
  ];
  for (const record of bad) expect(() => outline.append(record)).toThrow('does not follow');
  expectAnswers(outline, log);
});

test('the next lower place where two logs can agree is at or above the last one where they do', () => {
  fc.assert(
    fc.property(kinds, fc.nat(30), kinds, kinds, (common, cut, ours, theirs) => {
      const start = following([], common).slice(0, cut);
      const our = [...start, ...following(start, ours)];
      const their = [...start, ...following(start, theirs)].map((record) =>
        record.index <= start.length ? record : { ...record, epoch: record.epoch + 1 },
      );
      const outline = outlineOf(our);
      for (let at = their.length; at >= 0; at -= 1) {
        const position = { index: at, epoch: their[at - 1]?.epoch ?? 0 };
        const parting = outline.partingPoint(position);
        const isHere = at === 0 || our[at - 1]?.epoch === position.epoch;
        expect(parting === null).toBe(isHere);
        if (parting === null) continue;
        expect(parting.epoch).toBeLessThanOrEqual(position.epoch);
        expect(parting.index).toBeGreaterThanOrEqual(start.length);
      }
    }),
  );
});

test.each([
  [{ index: 1, epoch: 2 }, { index: 9, epoch: 1 }, true],
  [{ index: 9, epoch: 1 }, { index: 1, epoch: 2 }, false],
  [{ index: 5, epoch: 2 }, { index: 5, epoch: 2 }, true],
  [{ index: 6, epoch: 2 }, { index: 5, epoch: 2 }, true],
  [{ index: 4, epoch: 2 }, { index: 5, epoch: 2 }, false],
  [{ index: 0, epoch: 0 }, { index: 0, epoch: 0 }, true],
])('the log that ends at %j is as up to date as the one at %j: %s', (ours, theirs, expected) => {
  expect(isAtLeastAsUpToDate(ours, theirs)).toBe(expected);
});

import fc from 'fast-check';
import { isAtLeastAsUpToDate, LogOutline } from '#protocol/log/outline';
import type { Control } from '#protocol/record';

interface Shape {
  readonly index: number;
  readonly epoch: number;
  readonly seq: number;
  readonly control: Control | null;
}

type Kind = 'entry' | 'epoch' | 'members' | 'forced members' | 'entry of a new epoch';

const reignOf = (epoch: number) => `reign-${epoch}`;

function controlOf(kind: Kind, epoch: number, index: number): Control | null {
  if (kind === 'epoch') return { control: 'epoch', reign: reignOf(epoch), node: 'a', store: 's' };
  const list = { control: 'members', voters: [{ node: `v${index}`, store: 's' }], members: [`m${index}`] } as const;
  if (kind === 'members') return list;
  if (kind === 'forced members') return { ...list, forced: true };
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
    { weight: 2, arbitrary: fc.constantFrom<Kind>('epoch', 'members', 'forced members', 'entry of a new epoch') },
  ),
  { maxLength: 30 },
);

/** The reign that wrote the records of an epoch; '' when nobody named it. */
function reignIn(log: readonly Shape[], epoch: number): string {
  const opening = log.find((record) => record.epoch === epoch)?.control;
  return opening?.control === 'epoch' ? opening.reign : '';
}

/** The reign of the first record and those that were forced, each once. */
function identityIn(log: readonly Shape[]): string | null {
  const [first] = log;
  if (first === undefined) return null;
  const forced = log.filter(({ control }) => control?.forced === true).map(({ epoch }) => reignIn(log, epoch));
  return [reignIn(log, first.epoch), ...new Set(forced)].join('/');
}

/** Every question of the outline, answered by looking through the whole log. */
function expectAnswers(outline: LogOutline, log: readonly Shape[]): void {
  const last = log.at(-1) ?? { index: 0, epoch: 0, seq: 0 };
  const end = { index: last.index, epoch: last.epoch, reign: reignIn(log, last.epoch) };
  expect(outline.last).toEqual({ ...end, log: identityIn(log) });
  expect(outline.lastSeq).toBe(last.seq);
  for (let index = 0; index <= log.length + 2; index += 1) {
    const record = log[index - 1];
    const isBeyond = index > log.length;
    expect(outline.epochAt(index)).toBe(isBeyond ? null : (record?.epoch ?? 0));
    expect(outline.seqAt(index)).toBe(isBeyond ? last.seq : (record?.seq ?? 0));
    expect(outline.reignAt(index)).toBe(record === undefined ? '' : reignIn(log, record.epoch));
    expect(outline.indexOf(index)).toBe(
      log.find(({ seq, control }) => control === null && seq === index)?.index ?? null,
    );
  }
  const place = log.findLast(({ control }) => control?.control === 'members');
  expect(outline.newestConfiguration()).toEqual({ index: place?.index ?? 0, members: place?.control ?? null });
  const lists = log.flatMap(({ epoch, control }) => (control?.control === 'members' ? [{ epoch, ...control }] : []));
  expect(outline.forcedEpoch).toBe(lists.findLast(({ forced }) => forced === true)?.epoch ?? null);
  expect([...outline.everVoters]).toEqual(lists.flatMap(({ voters }) => voters.map(({ node }) => node)));
  for (let epoch = 0; epoch <= last.epoch + 2; epoch += 1) {
    const end = log.findLast((record) => record.epoch <= epoch);
    const reign = end === undefined ? '' : reignIn(log, end.epoch);
    expect(outline.endOfEpoch(epoch)).toEqual({ index: end?.index ?? 0, epoch: end?.epoch ?? 0, reign });
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

/** What two histories may have given: other epochs, or the same numbers under other reigns. */
const estrangements = {
  'other epochs': (record: Shape): Shape => ({ ...record, epoch: record.epoch + 1 }),
  'other reigns': (record: Shape): Shape =>
    record.control?.control === 'epoch'
      ? { ...record, control: { ...record.control, reign: `their-${record.control.reign}` } }
      : record,
};

/**
 * Each epoch begins with the record that names its reign, as masters write it: what has no name is
 * told apart by its number alone.
 */
function named(all: readonly Kind[], isFirst: boolean): Kind[] {
  const kinds = all.map((kind) => (kind === 'entry of a new epoch' ? 'epoch' : kind));
  return isFirst ? ['epoch', ...kinds] : kinds;
}

test.each(Object.entries(estrangements))(
  'with %s the next lower place where two logs can agree is at or above the last one where they do',
  (_, estranged) => {
    fc.assert(
      fc.property(kinds, fc.nat(30), kinds, kinds, (common, cut, ours, theirs) => {
        const start = following([], named(common, true)).slice(0, cut);
        const isFirst = start.length === 0;
        const our = [...start, ...following(start, named(ours, isFirst))];
        const their = [...start, ...following(start, named(theirs, isFirst)).map(estranged)];
        const outline = outlineOf(our);
        for (let at = their.length; at >= 0; at -= 1) {
          const epoch = their[at - 1]?.epoch ?? 0;
          const position = { index: at, epoch, reign: reignIn(their, epoch) };
          const parting = outline.partingPoint(position);
          const isHere = at === 0 || (our[at - 1]?.epoch === epoch && reignIn(our, epoch) === position.reign);
          expect(outline.has(position)).toBe(isHere);
          expect(parting === null).toBe(isHere);
          if (parting === null) continue;
          const { endEpoch, endReign, endIndex } = parting;
          expect(endEpoch).toBeLessThanOrEqual(epoch);
          if (endEpoch === epoch) expect(endReign).toBe(position.reign);
          expect(endReign).toBe(reignIn(our, endEpoch));
          expect(endIndex).toBeGreaterThanOrEqual(start.length);
          // The follower's half: each answer cuts something, and never what both have.
          const cutTo = outlineOf(their.slice(0, at)).cutFor(parting);
          expect(cutTo).toBeLessThan(at);
          expect(cutTo).toBeGreaterThanOrEqual(Math.min(start.length, at));
        }
      }),
    );
  },
);

test.each([
  [
    'at its own end of the epoch that both have, when the other has more of it',
    { endEpoch: 4, endReign: 'reign-4', endIndex: 9 },
    4,
  ],
  [
    'where the other ends that epoch, when this one has more of it',
    { endEpoch: 4, endReign: 'reign-4', endIndex: 3 },
    3,
  ],
  ['before the epoch that the other has under another reign', { endEpoch: 4, endReign: 'other', endIndex: 9 }, 2],
  [
    'at the end of the largest epoch that is lower, when it has not the named one',
    { endEpoch: 5, endReign: 'reign-5', endIndex: 9 },
    4,
  ],
  ['at nothing, when it has no epoch so low', { endEpoch: 1, endReign: 'reign-1', endIndex: 9 }, 0],
])('a log is cut %s', (_, parting, expected) => {
  const outline = outlineOf(following([], ['epoch', 'entry', 'epoch', 'entry', 'epoch', 'entry']));
  expect(outline.cutFor(parting)).toBe(expected);
});

const end = (index: number, epoch: number, { reign = `reign-${epoch}`, log = 'r1' as string | null } = {}) => ({
  index,
  epoch,
  reign,
  log,
});
const EMPTY = { index: 0, epoch: 0, reign: '', log: null };

test.each([
  [end(1, 2), end(9, 1), true],
  [end(9, 1), end(1, 2), false],
  [end(5, 2), end(5, 2), true],
  [end(6, 2), end(5, 2), true],
  [end(4, 2), end(5, 2), false],
  [EMPTY, EMPTY, true],
  // Any log is ahead of none.
  [end(1, 1), EMPTY, true],
  [EMPTY, end(1, 1), false],
  // A later branch is ahead of what it branched from, whatever the epochs there have come to.
  [end(3, 2, { log: 'r1/r2' }), end(900, 7), true],
  [end(900, 7), end(3, 2, { log: 'r1/r2' }), false],
])('the log that ends at %j is as up to date as the one at %j: %s', (ours, theirs, expected) => {
  expect(isAtLeastAsUpToDate(ours, theirs)).toBe(expected);
});

test.each([
  ['one number of two reigns', end(9, 2, { reign: 'a' }), end(1, 2, { reign: 'b' })],
  ['two logs', end(9, 9, { log: 'r1' }), end(1, 1, { log: 'r2' })],
  ['two branches of one log', end(9, 9, { log: 'r1/a' }), end(1, 1, { log: 'r1/b' })],
  [
    'two logs of which the id of one begins with that of the other',
    end(9, 9, { log: 'r1' }),
    end(1, 1, { log: 'r11' }),
  ],
])('neither of %s is as up to date as the other', (_, one, other) => {
  expect(isAtLeastAsUpToDate(one, other)).toBe(false);
  expect(isAtLeastAsUpToDate(other, one)).toBe(false);
});

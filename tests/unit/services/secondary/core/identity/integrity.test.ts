import fc from 'fast-check';
import { LogOutline } from '#protocol/log/outline';
import { controlRecord, entryRecord } from '#protocol/record';
import type { MessageOf } from '#protocol/wire/messages';
import type { SecondaryEffect } from '#secondary/core/events';
import { Integrity } from '#secondary/core/identity/integrity';
import { SeededRandom } from '#tests/support/seeded-random';

const RETRY_MS = 500;
const SENDER = { epoch: 3, reign: 'r3', log: 'r1' } as const;

/**
 * A log of two epochs, 1 and 3, each with its first record and then entries: the second one begins
 * behind `half` records.
 */
function outlineOf(length: number, half: number): LogOutline {
  const outline = new LogOutline();
  for (let index = 1; index <= length; index += 1) {
    const epoch = index > half ? 3 : 1;
    if (index === 1 || index === half + 1) {
      const opening = { control: 'epoch', reign: `r${epoch}`, node: 'master', store: 'M' } as const;
      outline.append(controlRecord({ index, epoch, seq: outline.lastSeq }, opening));
    } else {
      const seq = outline.lastSeq + 1;
      outline.append(entryRecord(index, { seq, epoch, id: `id-${seq}`, ts: '', message: '' }));
    }
  }
  return outline;
}

function integrityOf(outline: LogOutline): Integrity {
  return new Integrity({ node: 's1', outline, following: { id: SENDER } }, RETRY_MS);
}

type Fetch = MessageOf<'fetch'>;

function fetchesIn(out: readonly SecondaryEffect[]): Fetch[] {
  return out.flatMap((effect) => (effect.do === 'send' && effect.message.type === 'fetch' ? [effect.message] : []));
}

/** Indexes that it has told of as the place where the logs part. */
function placesIn(out: readonly SecondaryEffect[]): unknown[] {
  return out.flatMap((effect) => (effect.do === 'trace' && 'index' in effect.facts ? [effect.facts.index] : []));
}

/** A master's answer: the checksum of its log in front of the records that it sends. */
function answerTo({ from, lastEpoch, lastReign }: Fetch, prevChecksum?: number): MessageOf<'entries'> {
  const place = { prevIndex: from - 1, prevEpoch: lastEpoch, prevReign: lastReign, commit: 0, records: [] };
  return { type: 'entries', ...SENDER, ...place, ...(prevChecksum === undefined ? {} : { prevChecksum }) };
}

test('logs agree as long as nobody has said otherwise, and nothing is asked for', () => {
  const integrity = integrityOf(outlineOf(10, 5));
  const out: SecondaryEffect[] = [];
  integrity.tick(0, out);
  integrity.recordDiverged(0, { type: 'diverged', ...SENDER, endEpoch: 1, endReign: 'r1', endIndex: 3 }, out);
  integrity.recordOurs(0, { index: 4, checksum: 1 }, out);
  expect(out).toEqual([]);
  expect([integrity.agrees, integrity.differsAt]).toEqual([true, null]);
});

test('from the first difference on they do not, and the place is not known yet', () => {
  const integrity = integrityOf(outlineOf(10, 5));
  integrity.becomeDiffering(0, 10, []);
  expect([integrity.agrees, integrity.differsAt]).toEqual([false, 0]);
});

test('it asks for both checksums in the middle: of the store, and of the master, who is told what is there', () => {
  const integrity = integrityOf(outlineOf(14, 5));
  const out: SecondaryEffect[] = [];
  integrity.becomeDiffering(0, 14, out);
  expect(out).toContainEqual({ do: 'lookUpChecksum', index: 7 });
  const place = { from: 8, lastEpoch: 3, lastReign: 'r3', limit: 1, withChecksum: true };
  expect(fetchesIn(out)).toEqual([{ type: 'fetch', ...SENDER, node: 's1', ...place }]);
});

test('what is not answered is asked for again, once an interval', () => {
  const integrity = integrityOf(outlineOf(14, 5));
  integrity.becomeDiffering(1_000, 14, []);
  const asksAt = (now: number): number => {
    const out: SecondaryEffect[] = [];
    integrity.tick(now, out);
    return fetchesIn(out).length;
  };
  expect([1_499, 1_500, 1_501, 1_999, 2_000].map(asksAt)).toEqual([0, 1, 0, 0, 1]);
});

test('an answer without a checksum teaches nothing', () => {
  const integrity = integrityOf(outlineOf(14, 5));
  const out: SecondaryEffect[] = [];
  integrity.becomeDiffering(0, 14, out);
  const [fetch] = fetchesIn(out);
  const later: SecondaryEffect[] = [];
  if (fetch !== undefined) integrity.recordTheirs(0, answerTo(fetch), later);
  expect(fetch).toBeDefined();
  expect(later).toEqual([]);
});

/**
 * Answers whatever is asked, as far as `isLost` does not say that it is on its way for good; the
 * logs are equal before `first`, and the master's ends at `theirEnd`.
 */
function search(
  { length, half, first, theirEnd }: { length: number; half: number; first: number; theirEnd: number },
  isLost: () => boolean,
): { integrity: Integrity; out: SecondaryEffect[]; outline: LogOutline } {
  const outline = outlineOf(length, half);
  const theirs = outlineOf(theirEnd, half);
  const integrity = integrityOf(outline);
  const all: SecondaryEffect[] = [];
  let now = 0;
  let out: SecondaryEffect[] = [];
  integrity.becomeDiffering(now, length, out);
  for (let round = 0; placesIn([...all, ...out]).length === 0; round += 1) {
    if (round > 1_000) throw new Error('it does not end');
    const asked = out;
    all.push(...asked);
    out = [];
    for (const effect of asked) {
      if (isLost()) continue;
      if (effect.do === 'lookUpChecksum') integrity.recordOurs(now, { index: effect.index, checksum: 1 }, out);
      const [fetch] = fetchesIn([effect]);
      if (fetch === undefined) continue;
      const place = { index: fetch.from - 1, epoch: fetch.lastEpoch, reign: fetch.lastReign };
      const parting = theirs.partingPoint(place);
      if (parting !== null) {
        integrity.recordDiverged(now, { type: 'diverged', ...SENDER, ...parting }, out);
      } else integrity.recordTheirs(now, answerTo(fetch, fetch.from - 1 >= first ? 2 : 1), out);
    }
    now += RETRY_MS;
    integrity.tick(now, out);
  }
  all.push(...out);
  return { integrity, out: all, outline };
}

const searches = fc.integer({ min: 2, max: 200 }).chain((length) =>
  fc.record({
    length: fc.constant(length),
    half: fc.integer({ min: 1, max: length }),
    first: fc.integer({ min: 1, max: length }),
    theirEnd: fc.integer({ min: 0, max: length }),
    seed: fc.nat(),
  }),
);

test('the first record that differs is found and told once, whatever is lost on the way', () => {
  fc.assert(
    fc.property(searches, ({ seed, ...logs }) => {
      const random = new SeededRandom(seed);
      const { integrity, out, outline } = search(logs, () => random.chance(0.4));
      const expected = Math.min(logs.first, logs.theirEnd + 1);
      expect(integrity.differsAt).toBe(outline.seqAt(expected - 1) + 1);
      expect(placesIn(out)).toEqual([expected]);
    }),
  );
});

test('once it is found nothing is asked for any more, and the logs do not agree again', () => {
  const { integrity } = search({ length: 40, half: 20, first: 30, theirEnd: 40 }, () => false);
  const out: SecondaryEffect[] = [];
  for (let now = 100_000; now < 110_000; now += 100) integrity.tick(now, out);
  expect(out).toEqual([]);
  expect([integrity.agrees, integrity.differsAt]).toEqual([false, 28]);
});

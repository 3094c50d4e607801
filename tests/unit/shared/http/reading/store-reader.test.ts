import { readEvents } from '#http/reading/events';
import { StoreReader } from '#http/reading/store-reader';
import { entryOf, type LogRecord } from '#protocol/record';
import { MemoryLogStore } from '#storage/memory';
import { RecordSource } from '#tests/contract/log-records';

const ALL = { maxBytes: Number.MAX_SAFE_INTEGER };
const FOREVER = { timeoutMs: null, signal: new AbortController().signal };

/**
 * A reader on a log with control records between its entries, of which the first `head` are
 * visible.
 */
async function readerOf(records: readonly LogRecord[]) {
  const store = new MemoryLogStore();
  await store.append(records);
  for (const record of records) store.opened.append(record);
  const head = records.at(-1)?.seq ?? 0;
  const place = { head, commit: head };
  const look = () => {
    const { head, commit } = place;
    return { head, commit: Math.min(commit, head), epoch: 1, log: store.opened.identity, logHead: head };
  };
  const reader = new StoreReader(store, store.opened, look);
  const show = (seq: number): void => {
    place.head = seq;
    reader.moved();
  };
  return { reader, show, place, store, look };
}

/** Entries 1…6 with control records before, between and behind them. */
function mixedLog(): LogRecord[] {
  const source = new RecordSource();
  return [
    source.epochRecord(),
    source.membersRecord(['s1']),
    ...source.entries(3),
    source.epochRecord(),
    ...source.entries(2),
    source.entry({ id: 'named' }),
    source.membersRecord(['s1', 's2']),
  ];
}

const seqsOf = (lines: readonly Uint8Array[]): number[] => lines.map((line) => entryOf(line).seq);

test.each([
  [1, 6, [1, 2, 3, 4, 5, 6]],
  [3, 4, [3, 4]],
  [6, 99, [6]],
  [4, 3, []],
  [7, 9, []],
])('entries %i to %i are read without the control records between them', async (from, to, seqs) => {
  const { reader } = await readerOf(mixedLog());
  expect(seqsOf(await reader.read({ from, to, ...ALL }))).toEqual(seqs);
});

test('what is stored and not yet visible is not read, nor found by its id', async () => {
  const { reader, place } = await readerOf(mixedLog());
  place.head = 4;
  expect(seqsOf(await reader.read({ from: 3, to: 6, ...ALL }))).toEqual([3, 4]);
  expect(await reader.read({ from: 5, to: 6, ...ALL })).toEqual([]);
  expect(await reader.findId('named')).toBeNull();
  place.head = 6;
  expect(await reader.findId('named')).toBe(6);
});

test('a bound of bytes is kept, and one entry is read all the same', async () => {
  const { reader } = await readerOf(mixedLog());
  expect(seqsOf(await reader.read({ from: 1, to: 6, maxBytes: 1 }))).toEqual([1]);
});

test('a generated id is found where it says; one that names the seq of another entry is none', async () => {
  const records = mixedLog();
  const { reader } = await readerOf(records);
  const generated = records.find(({ seq, control }) => seq === 2 && control === null)?.id ?? '';
  expect(await reader.findId(generated)).toBe(2);
  expect(await reader.findId(generated.replace(/-2$/, '-6'))).toBeNull();
  expect(await reader.findId('unknown')).toBeNull();
});

test('what is visible is not waited for', async () => {
  const { reader } = await readerOf(mixedLog());
  await expect(reader.whenVisible(6, FOREVER)).resolves.toBe(true);
});

test('each waits for its own seq', async () => {
  const { reader, show, place } = await readerOf(mixedLog());
  place.head = 0;
  const seen: number[] = [];
  const waits = [5, 2, 3].map((seq) => reader.whenVisible(seq, FOREVER).then(() => seen.push(seq)));
  const settled = async (): Promise<number[]> => {
    await new Promise(setImmediate);
    return [...seen].sort();
  };
  show(1);
  expect(await settled()).toEqual([]);
  show(3);
  expect(await settled()).toEqual([2, 3]);
  show(4);
  expect(await settled()).toEqual([2, 3]);
  show(6);
  await Promise.all(waits);
  expect(await settled()).toEqual([2, 3, 5]);
});

test('who waits for the commit is not woken by the head', async () => {
  const { reader, show, place } = await readerOf(mixedLog());
  place.commit = 1;
  let isOver = false;
  const waiting = reader.whenVisible(4, { ...FOREVER, committed: true }).then(() => {
    isOver = true;
  });
  show(6);
  await new Promise(setImmediate);
  expect(isOver).toBe(false);
  place.commit = 4;
  show(6);
  await waiting;
});

test('a wait ends at its timeout, and at the latest when the reader goes', async () => {
  const { reader, place } = await readerOf(mixedLog());
  place.head = 0;
  await expect(reader.whenVisible(1, { ...FOREVER, timeoutMs: 5 })).resolves.toBe(false);
  const client = new AbortController();
  const waiting = reader.whenVisible(1, { timeoutMs: null, signal: client.signal });
  client.abort();
  await expect(waiting).resolves.toBe(false);
  await expect(reader.whenVisible(1, { timeoutMs: null, signal: client.signal })).resolves.toBe(false);
});

test('entries become events whose ids name their reigns', async () => {
  const { reader } = await readerOf(mixedLog());
  const { bytes, count } = await readEvents(reader, 2, 6);
  const ids = [...bytes.toString().matchAll(/^id: (.*)$/gm)].map(([, id]) => id);
  const [first, second] = ['0000000000000001', '0000000000000002'];
  expect(count).toBe(5);
  expect(ids).toEqual([
    ...[2, 3].map((seq) => `${seq}-1.6.${first}.${first}`),
    ...[4, 5, 6].map((seq) => `${seq}-2.6.${second}.${first}`),
  ]);
});

test('a node is foreign when its driver says so, and never else', async () => {
  const { reader, store, look } = await readerOf(mixedLog());
  expect(reader.foreign()).toBeNull();
  const foreign = { log: 'a', lastSeq: 6 };
  expect(new StoreReader(store, store.opened, look, undefined, () => foreign).foreign()).toBe(foreign);
});

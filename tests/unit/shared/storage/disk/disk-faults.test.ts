import { NO_PROMISE } from '#protocol/promised';
import { NO_LIMITS, RecordSource } from '#tests/contract/log-records';
import { plain, readAll } from '#tests/contract/log-store';
import { CrashingFileSystem } from './crashing-file-system';
import { DIRECTORY, openOn, storeOn } from './disk-harness';

const FULL = { status: 'rejected', reason: { code: 'full', fatal: false } };
const FAILED = { status: 'rejected', reason: { code: 'failed', fatal: true } };

describe('a disk without room', () => {
  test('refuses every pending append, and takes the next one where the durable log ends', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    const source = new RecordSource();
    const kept = source.entries(3, (at) => ({ id: `kept-${at}` }));
    await store.append(kept);
    for (const room of [0, 1, 60, 200, 333]) {
      fileSystem.room = room;
      const refused = source.entries(6, (at) => ({ id: `refused-${room}-${at}`, message: 'm'.repeat(99) }));
      const appends = [
        store.append(refused.slice(0, 4)),
        store.append(refused.slice(4, 5)),
        store.append(refused.slice(5)),
      ];
      expect(await Promise.allSettled(appends)).toMatchObject([FULL, FULL, FULL]);
      expect(store.durableIndex).toBe(kept.length);
      expect(refused.map(({ id }) => store.seqOfId(id ?? ''))).toEqual(refused.map(() => null));
      expect(plain(await readAll(store))).toEqual(plain(kept));
      fileSystem.room = Number.POSITIVE_INFINITY;
      source.backTo(kept.at(-1) ?? null);
      const next = source.entries(1, () => ({ id: `kept-${room}` }));
      await store.append(next);
      kept.push(...next);
    }
    await store.close();
    expect(plain(await readAll(await storeOn(fileSystem)))).toEqual(plain(kept));
  });

  test('takes what the file was extended by before, and a group without zeros behind it', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem, { segmentBytes: 20_000, aheadBytes: 4_000 });
    const source = new RecordSource();
    const taken = source.entries(1);
    await store.append(taken);
    fileSystem.room = 700;
    let bytes = 0;
    for (; bytes < 20_000; bytes += 400) {
      const records = source.entries(1, () => ({ message: 'm'.repeat(300) }));
      const [outcome] = await Promise.allSettled([store.append(records)]);
      if (outcome?.status === 'rejected') {
        expect(outcome).toMatchObject(FULL);
        break;
      }
      taken.push(...records);
    }
    expect(bytes).toBeGreaterThan(3_500);
    expect(bytes).toBeLessThan(5_500);
    expect(plain(await readAll(store))).toEqual(plain(taken));
    await store.close();
    const opened = await openOn(fileSystem);
    expect(opened.tornBytes).toBe(0);
    expect(plain(await readAll(opened.store))).toEqual(plain(taken));
  });

  test('does not stop a truncation that waits behind the refused append', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    const source = new RecordSource();
    const records = source.entries(4);
    await store.append(records);
    fileSystem.room = 0;
    const waits = [store.append(source.entries(1)), store.truncateAfter(2)];
    source.backTo(records[1] ?? null);
    waits.push(store.append(source.entries(1)));
    expect(await Promise.allSettled(waits)).toMatchObject([FULL, { status: 'fulfilled' }, FULL]);
    expect(plain(await readAll(store))).toEqual(plain(records.slice(0, 2)));
    expect(store.durableIndex).toBe(2);
  });

  test('leaves nothing of a segment that could not be made', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem, { segmentBytes: 1 });
    const source = new RecordSource();
    const [first] = source.entries(1);
    if (first === undefined) throw new Error('no record');
    await store.append([first]);
    const before = fileSystem.paths();
    fileSystem.room = 10;
    expect(await Promise.allSettled([store.append(source.entries(1))])).toMatchObject([FULL]);
    expect(fileSystem.paths()).toEqual(before);
    fileSystem.room = Number.POSITIVE_INFINITY;
    source.backTo(first);
    await store.append(source.entries(1));
    expect(store.durableIndex).toBe(2);
  });

  test('keeps the old promise', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    const kept = { ...NO_PROMISE, epoch: 1, reign: 'r' };
    await store.savePromise(kept);
    fileSystem.room = 5;
    expect(await Promise.allSettled([store.savePromise({ ...kept, epoch: 2 })])).toMatchObject([FULL]);
    expect(store.promised).toEqual(kept);
    fileSystem.room = Number.POSITIVE_INFINITY;
    expect((await storeOn(fileSystem.copy())).promised).toEqual(kept);
    await store.savePromise({ ...kept, epoch: 3 });
    expect((await storeOn(fileSystem.copy())).promised.epoch).toBe(3);
  });

  test('keeps the ids in memory until there is room for a run', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    const source = new RecordSource();
    for (let at = 0; at < 40; at += 1) {
      fileSystem.room = at % 3 === 0 ? Number.POSITIVE_INFINITY : 1_000;
      await store.append([source.entry({ id: `id-${at}` })]);
    }
    expect(store.seqOfId('id-0')).toBe(1);
    expect(store.seqOfId('id-39')).toBe(40);
  });
});

describe('a sync that fails', () => {
  test.each(['sync', 'write'] as const)('stops the writer for good (%s)', async (operation) => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    const source = new RecordSource();
    await store.append(source.entries(2));
    fileSystem.failing = operation;
    const appends = [store.append(source.entries(1)), store.append(source.entries(1)), store.truncateAfter(1)];
    expect(await Promise.allSettled(appends)).toMatchObject([FAILED, FAILED, FAILED]);
    fileSystem.failing = null;
    const later = [store.append([]), store.truncateAfter(0), store.savePromise({ ...NO_PROMISE, epoch: 1 })];
    expect(await Promise.allSettled(later)).toMatchObject([FAILED, FAILED, FAILED]);
    expect(store.durableIndex).toBe(2);
    expect(await store.read(1, NO_LIMITS)).toHaveLength(1);
  });

  test.each(['sync', 'rename', 'syncDirectory'] as const)('of a promise is fatal too (%s)', async (operation) => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    fileSystem.failing = operation;
    expect(await Promise.allSettled([store.savePromise({ ...NO_PROMISE, epoch: 1 })])).toMatchObject([FAILED]);
    fileSystem.failing = null;
    expect(await Promise.allSettled([store.append([])])).toMatchObject([FAILED]);
  });
});

test('a torn tail is cut and reported, an acked record never', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem);
  const source = new RecordSource();
  const records = source.entries(3);
  await store.append(records);
  await store.close();
  const path = fileSystem.paths().find((name) => name.endsWith('.log')) ?? '';
  const whole = await fileSystem.readAll(path);
  const torn = fileSystem.copy();
  const file = await torn.open(path, 'write');
  await file.write(Buffer.from('half of a frame'), whole?.length ?? 0);
  const opened = await openOn(torn);
  expect(opened.tornBytes).toBe('half of a frame'.length);
  expect(plain(await readAll(opened.store))).toEqual(plain(records));
  expect(torn.sizeOf(path)).toBe(whole?.length);
});

test('what a file was extended by is no torn tail, and is cut off', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const sizes = { segmentBytes: 20_000, aheadBytes: 4_000 };
  const store = await storeOn(fileSystem, sizes);
  const source = new RecordSource();
  const records = source.entries(3);
  await store.append(records);
  const path = fileSystem.paths().find((name) => name.endsWith('.log')) ?? '';
  const killed = fileSystem.copy();
  await store.close();
  expect(killed.sizeOf(path)).toBe(fileSystem.sizeOf(path) + 4_000);
  for (const isMarkerLost of [false, true]) {
    const left = killed.copy();
    if (isMarkerLost) await left.remove(`${DIRECTORY}/synced`);
    const opened = await openOn(left, sizes);
    expect(opened.tornBytes).toBe(0);
    expect(left.sizeOf(path)).toBe(fileSystem.sizeOf(path));
    expect(plain(await readAll(opened.store))).toEqual(plain(records));
  }
});

test('a bit that flips in the last record before what a file was extended by is damage, also when the marker is lost', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem, { segmentBytes: 20_000, aheadBytes: 4_000 });
  await store.append(new RecordSource().entries(3));
  await fileSystem.remove(`${DIRECTORY}/synced`);
  const path = fileSystem.paths().find((name) => name.endsWith('.log')) ?? '';
  const end = fileSystem.sizeOf(path) - 4_000;
  for (let byte = end - 100; byte < end; byte += 1) {
    const flipped = fileSystem.copy();
    flipped.flipBit(path, byte, byte % 8);
    await expect(openOn(flipped)).rejects.toMatchObject({ code: 'damaged' });
  }
});

describe('a process without a free file descriptor', () => {
  const NO_DESCRIPTOR = {
    status: 'rejected',
    reason: { code: 'full', fatal: false, message: expect.stringContaining('no file descriptor is free') },
  };

  test.each([0, 1])('refuses an append that needs a new segment, and takes it later (%d left)', async (left) => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem, { segmentBytes: 1 });
    const source = new RecordSource();
    const [first] = source.entries(1);
    if (first === undefined) throw new Error('no record');
    await store.append([first]);
    const before = fileSystem.paths();
    fileSystem.descriptors = left;
    expect(await Promise.allSettled([store.append(source.entries(1))])).toMatchObject([NO_DESCRIPTOR]);
    expect(fileSystem.paths()).toEqual(before);
    expect(fileSystem.descriptors).toBe(left);
    fileSystem.descriptors = 2;
    source.backTo(first);
    await store.append(source.entries(1));
    expect(store.durableIndex).toBe(2);
  });

  test('refuses the first append after the start, which opens the file, and takes it later', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const source = new RecordSource();
    const first = await storeOn(fileSystem);
    await first.append(source.entries(1));
    await first.close();
    const store = await storeOn(fileSystem);
    fileSystem.descriptors = 0;
    const records = source.entries(1);
    expect(await Promise.allSettled([store.append(records)])).toMatchObject([NO_DESCRIPTOR]);
    fileSystem.descriptors = 1;
    await store.append(records);
    expect(store.durableIndex).toBe(2);
  });

  test.each([0, 1])('keeps the old promise, and saves the new one later (%d left)', async (left) => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    fileSystem.descriptors = left;
    const promised = { ...NO_PROMISE, epoch: 2 };
    expect(await Promise.allSettled([store.savePromise(promised)])).toMatchObject([NO_DESCRIPTOR]);
    expect(store.promised.epoch).toBe(0);
    expect(fileSystem.descriptors).toBe(left);
    fileSystem.descriptors = 2;
    await store.savePromise(promised);
    expect((await storeOn(fileSystem.copy())).promised.epoch).toBe(2);
  });

  test('says so to a reader, and is not broken by it', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    await store.append(new RecordSource().entries(20));
    fileSystem.descriptors = 0;
    const reads = [store.read(1, NO_LIMITS), store.readEntries(1, NO_LIMITS, 10), store.checksumAt(1)];
    expect(await Promise.allSettled(reads)).toMatchObject([NO_DESCRIPTOR, NO_DESCRIPTOR, NO_DESCRIPTOR]);
    fileSystem.descriptors = 1;
    expect(await readAll(store)).toHaveLength(20);
  });

  test('cuts the log, and its ids before, as soon as it has one', async () => {
    const fileSystem = CrashingFileSystem.empty();
    const store = await storeOn(fileSystem);
    const source = new RecordSource();
    const records = source.entries(20, (at) => ({ id: `id-${at}` }));
    for (const record of records) await store.append([record]);
    // The runs of the id index are written in the background.
    for (let turn = 1; turn <= 50; turn += 1) await new Promise(setImmediate);
    fileSystem.descriptors = 0;
    const cut = store.truncateAfter(2);
    source.backTo(records[1] ?? null);
    const appended = store.append(source.entries(1));
    await new Promise(setImmediate);
    expect(store.durableIndex).toBe(20);
    fileSystem.descriptors = 3;
    await Promise.all([cut, appended]);
    expect(store.durableIndex).toBe(3);
    const reopened = await storeOn(fileSystem.copy());
    expect(await readAll(reopened)).toHaveLength(3);
    expect(reopened.seqOfId('id-10')).toBeNull();
  });
});

test('a sector that cannot be read is told to its reader, and the store goes on', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem);
  const source = new RecordSource();
  await store.append(source.entries(20));
  fileSystem.failing = 'read';
  expect(await Promise.allSettled([store.read(1, NO_LIMITS), store.checksumAt(1)])).toMatchObject([FAILED, FAILED]);
  await store.append(source.entries(1));
  fileSystem.failing = null;
  expect(await readAll(store)).toHaveLength(21);
});

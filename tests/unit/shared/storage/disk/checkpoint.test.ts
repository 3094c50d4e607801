/**
 * A start from a checkpoint: it reads what came after, believes nothing that the files do not
 * confirm, and finds every damage of the rest in the background.
 */
import { NO_LIMITS, RecordSource } from '#tests/contract/log-records';
import { checksumOf, plain, readAll } from '#tests/contract/log-store';
import { CrashingFileSystem } from './crashing-file-system';
import { DIRECTORY, openOn, randomOf, type SmallSizes, storeOn } from './disk-harness';

const CHECKPOINT = `${DIRECTORY}/checkpoint.json`;
const OFTEN: SmallSizes = { checkpointBytes: 700 };
const TURN = async () => undefined;

/** A closed store of several segments and runs, with a checkpoint of all of it. */
async function written() {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem, OFTEN);
  const source = new RecordSource();
  for (let group = 0; group < 10; group += 1) {
    const control = group % 4 === 0 ? [source.epochRecord(), source.membersRecord([`member-${group}`])] : [];
    await store.append([...control, ...source.entries(3, (at) => (at === 0 ? {} : { id: `id-${group}-${at}` }))]);
  }
  const records = await readAll(store);
  await store.close();
  const ids = new Map(records.flatMap(({ id, seq }) => (id === null ? [] : [[id, seq] as const])));
  return { fileSystem, source, records, ids };
}

const logFiles = (fileSystem: CrashingFileSystem) => fileSystem.paths().filter((path) => path.endsWith('.log'));

async function rewrite(fileSystem: CrashingFileSystem, path: string, content: Buffer | null): Promise<void> {
  if (content === null) return;
  const file = await fileSystem.open(path, 'create');
  await file.write(content, 0);
}

test('a start from a checkpoint has the log, the outline, the ids and the checksum of a full one', async () => {
  const { fileSystem, records, ids } = await written();
  const full = fileSystem.copy();
  await full.remove(CHECKPOINT);
  const [quick, slow] = [await openOn(fileSystem, OFTEN), await openOn(full)];
  const bytes = logFiles(fileSystem).reduce((sum, path) => sum + fileSystem.sizeOf(path), 0);
  expect([quick.unreadBytes, slow.unreadBytes]).toEqual([bytes, 0]);
  const { store } = quick;
  expect(store.opened.last).toEqual(slow.store.opened.last);
  expect(store.opened.newestConfiguration()).toEqual(slow.store.opened.newestConfiguration());
  expect(store.checksum).toBe(slow.store.checksum);
  for (const { index } of records) expect(store.opened.seqAt(index)).toBe(slow.store.opened.seqAt(index));
  for (const [id, seq] of ids) expect(store.seqOfId(id)).toBe(seq);
  expect(plain(await readAll(store))).toEqual(plain(records));
});

test('what came after the checkpoint is read at the start', async () => {
  const { fileSystem, source, records } = await written();
  const never = await storeOn(fileSystem);
  const later = source.entries(4, (at) => ({ id: `later-${at}` }));
  await never.append(later);
  await never.close();
  const { store, unreadBytes } = await openOn(fileSystem, OFTEN);
  expect(unreadBytes).toBeGreaterThan(0);
  expect(plain(await readAll(store))).toEqual(plain([...records, ...later]));
  for (const { id, seq } of later) expect(store.seqOfId(id ?? '')).toBe(seq);
});

test('a flipped bit in any covered byte is found at the start or later, and the next start finds it too', async () => {
  const { fileSystem } = await written();
  const random = randomOf(1);
  let late = 0;
  for (const path of logFiles(fileSystem)) {
    for (let byte = 0; byte < fileSystem.sizeOf(path); byte += 1 + Math.floor(random() * 15)) {
      const flipped = fileSystem.copy();
      flipped.flipBit(path, byte, Math.floor(random() * 8));
      const opened = await openOn(flipped.copy(), OFTEN).catch((error: unknown) => error);
      if (opened instanceof Error) {
        expect(opened).toMatchObject({ code: 'damaged' });
        continue;
      }
      late += 1;
      const store = await storeOn(flipped, OFTEN);
      await expect(store.verify(TURN)).rejects.toMatchObject({ code: 'damaged' });
      await store.close();
      await expect(storeOn(flipped, OFTEN)).rejects.toMatchObject({ code: 'damaged' });
    }
  }
  expect(late).toBeGreaterThan(50);
});

test('after a read has found damage the next start reads the whole log', async () => {
  const { fileSystem } = await written();
  const [path = ''] = logFiles(fileSystem);
  fileSystem.flipBit(path, 100, 1);
  const store = await storeOn(fileSystem, OFTEN);
  await expect(store.read(1, NO_LIMITS)).rejects.toMatchObject({ code: 'damaged' });
  expect(fileSystem.paths()).not.toContain(CHECKPOINT);
  await store.close();
  await expect(storeOn(fileSystem, OFTEN)).rejects.toMatchObject({ code: 'damaged' });
});

test('a checkpoint with a flipped bit, of another store or of another version is ignored', async () => {
  const { fileSystem, records } = await written();
  const foreign = (await written()).fileSystem.contentOf(CHECKPOINT);
  const own = fileSystem.contentOf(CHECKPOINT);
  const variants = [foreign, Buffer.from('{"format":2}\n4a8f3a92\n'), Buffer.alloc(0)];
  for (let byte = 0; byte < own.length; byte += 5) {
    const flipped = Buffer.from(own);
    flipped[byte] = (flipped[byte] ?? 0) ^ 4;
    variants.push(flipped);
  }
  for (const content of variants) {
    const copy = fileSystem.copy();
    await rewrite(copy, CHECKPOINT, content);
    const { store, unreadBytes } = await openOn(copy, OFTEN);
    expect(unreadBytes).toBe(0);
    expect(plain(await readAll(store))).toEqual(plain(records));
  }
});

test('a checkpoint whose records were replaced by a program that does not know it is ignored', async () => {
  const { fileSystem, source, records } = await written();
  const stale = fileSystem.contentOf(CHECKPOINT);
  for (const kept of [2, 5, records.length - 1]) {
    const copy = fileSystem.copy();
    const other = await storeOn(copy);
    await other.truncateAfter(kept);
    source.backTo(records[kept - 1] ?? null);
    source.epoch = 100 + kept;
    const replaced = [source.epochRecord(), ...source.entries(records.length, () => ({ message: 'other' }))];
    await other.append(replaced);
    await other.close();
    await rewrite(copy, CHECKPOINT, stale);
    const { store, unreadBytes } = await openOn(copy, OFTEN);
    expect(unreadBytes).toBe(0);
    expect(plain(await readAll(store))).toEqual(plain([...records.slice(0, kept), ...replaced]));
  }
});

test('a log that is shorter than its checkpoint is judged without it', async () => {
  const { fileSystem } = await written();
  const last = logFiles(fileSystem).at(-1) ?? '';
  const file = await fileSystem.open(last, 'write');
  await file.truncate((await file.size()) - 1);
  await expect(storeOn(fileSystem, OFTEN)).rejects.toMatchObject({ code: 'damaged' });
});

test('without the runs of the id index the checkpoint is ignored, and every id is found', async () => {
  const { fileSystem, ids } = await written();
  for (const path of fileSystem.paths()) if (path.includes('/ids/')) await fileSystem.remove(path);
  const { store, unreadBytes } = await openOn(fileSystem, OFTEN);
  expect(unreadBytes).toBe(0);
  for (const [id, seq] of ids) expect(store.seqOfId(id)).toBe(seq);
});

test('at every crash in a truncation the checkpoint is gone before a covered record is', async () => {
  const { fileSystem } = await written();
  const content = (of: CrashingFileSystem) => logFiles(of).map((path) => of.contentOf(path).toString('latin1'));
  const whole = content(fileSystem);
  const states = new Set<string>();
  for (let crashAt = 1; ; crashAt += 1) {
    const copy = fileSystem.copy();
    const store = await storeOn(copy, OFTEN);
    copy.crashAt = copy.operations + crashAt;
    const isDone = await store.truncateAfter(5).then(
      () => true,
      () => false,
    );
    for (const seed of [1, 2, 3]) {
      const left = copy.afterCrash('power loss', randomOf(crashAt * 31 + seed));
      const isCut = content(left).join() !== whole.join();
      const hasCheckpoint = left.paths().includes(CHECKPOINT);
      states.add(`${isCut} ${hasCheckpoint}`);
      expect([crashAt, isCut && hasCheckpoint]).toEqual([crashAt, false]);
    }
    if (isDone) break;
  }
  expect([...states].sort()).toEqual(['false false', 'false true', 'true false']);
});

test('a truncation behind the checkpoint leaves it', async () => {
  const { fileSystem, source, records } = await written();
  const store = await storeOn(fileSystem);
  await store.append(source.entries(3));
  await store.truncateAfter(records.length + 1);
  await store.close();
  const { store: again, unreadBytes } = await openOn(fileSystem, OFTEN);
  expect(unreadBytes).toBeGreaterThan(0);
  expect(again.durableIndex).toBe(records.length + 1);
});

async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
}

/** A sync takes longer than a scan. */
function slowDownSyncs(fileSystem: CrashingFileSystem): void {
  const open = fileSystem.open.bind(fileSystem);
  fileSystem.open = async (path, mode) => {
    const file = await open(path, mode);
    const sync = async () => {
      await file.sync();
      await pass(40);
    };
    return { ...file, sync };
  };
}

test('a truncation under the verification is not taken for damage', async () => {
  const { fileSystem, source, records } = await written();
  const cases = [0, 3, 17, records.length - 2].flatMap((kept) =>
    Array.from({ length: 80 }, (_, at) => ({ kept, turns: 3 * at })),
  );
  for (const { kept, turns } of cases) {
    const copy = fileSystem.copy();
    slowDownSyncs(copy);
    const store = await storeOn(copy, OFTEN);
    const work: Promise<void>[] = [];
    // The scan of the next segment meets the truncation at another of its steps in each case.
    const pause = async () => {
      if (work.length === 0) {
        source.backTo(records[kept - 1] ?? null);
        work.push(store.truncateAfter(kept), store.append([source.epochRecord(), ...source.entries(20)]));
      }
      await pass(turns);
    };
    await expect(store.verify(pause)).resolves.toBe(true);
    await Promise.all(work);
    expect((await readAll(store)).length).toBe(kept + 21);
  }
});

test('a verification ends when the store is closed', async () => {
  const { fileSystem } = await written();
  const store = await storeOn(fileSystem, OFTEN);
  await expect(store.verify(() => store.close())).resolves.toBe(false);
  for (const path of logFiles(fileSystem)) await fileSystem.remove(path);
  await expect(store.verify(TURN)).resolves.toBe(false);
});

test('records in the middle of a long unread segment are read, checked and found by checksum', async () => {
  const sizes = { segmentBytes: 64 * 2 ** 20, checkpointBytes: 1_000, cacheBytes: 0 };
  const fileSystem = CrashingFileSystem.empty();
  const source = new RecordSource();
  const store = await storeOn(fileSystem, sizes);
  const messages = ['x'.repeat(2_000), 'y'.repeat(90_000), 'z'.repeat(1_500_000)];
  const records = source.entries(2_400, (at) => ({
    message: messages[at === 1_200 ? 2 : Number(at % 70 === 0)] ?? '',
  }));
  await store.append(records.slice(0, 1_300));
  await store.append(records.slice(1_300));
  await store.close();
  const { store: again, unreadBytes } = await openOn(fileSystem, sizes);
  expect(unreadBytes).toBeGreaterThan(5 * 2 ** 20);
  for (const index of [1_500, 1_200, 1_201, 1_202, 700, 2_400, 1, 2_399, 1_499]) {
    const [first] = await again.read(index, { to: 2_400, maxBytes: 1, maxRecords: 1 });
    expect(plain(first === undefined ? [] : [first])).toEqual(plain(records.slice(index - 1, index)));
  }
  const { store: fresh } = await openOn(fileSystem, sizes);
  expect(await fresh.checksumAt(1_000)).toBe(checksumOf(records.slice(0, 1_000)));
  await expect(again.verify(TURN)).resolves.toBe(true);
  expect(plain(await readAll(again))).toEqual(plain(records));
});

test('damage on the way to a record in a long unread segment is found by the read', async () => {
  const sizes = { segmentBytes: 64 * 2 ** 20, checkpointBytes: 1_000 };
  const fileSystem = CrashingFileSystem.empty();
  const source = new RecordSource();
  const store = await storeOn(fileSystem, sizes);
  await store.append(source.entries(1_500, () => ({ message: 'x'.repeat(2_000) })));
  await store.close();
  fileSystem.flipBit(logFiles(fileSystem)[0] ?? '', 1_000_000, 1);
  const again = await storeOn(fileSystem, sizes);
  await expect(again.read(1_200, NO_LIMITS)).rejects.toMatchObject({ code: 'damaged' });
});

test('a short log gets no checkpoint when it is closed', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem, { checkpointBytes: 32_000 });
  const source = new RecordSource();
  await store.append(source.entries(3));
  await store.close();
  expect(fileSystem.paths()).not.toContain(CHECKPOINT);
  const again = await storeOn(fileSystem, { checkpointBytes: 32_000 });
  await again.append(source.entries(3, () => ({ message: 'x'.repeat(400) })));
  await again.close();
  expect(fileSystem.paths()).toContain(CHECKPOINT);
});

test('a checkpoint that cannot be written stops nothing', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem, OFTEN);
  const source = new RecordSource();
  await store.append([source.epochRecord()]);
  fileSystem.failing = 'rename';
  for (let group = 0; group < 5; group += 1) await store.append(source.entries(4));
  fileSystem.failing = null;
  expect(fileSystem.paths()).not.toContain(CHECKPOINT);
  await store.append(source.entries(4));
  await store.close();
  expect(fileSystem.paths()).toContain(CHECKPOINT);
});

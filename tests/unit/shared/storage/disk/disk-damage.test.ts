import { NO_PROMISE } from '#protocol/promised';
import { StorageError } from '#storage/log-store';
import { NO_LIMITS, RecordSource } from '#tests/contract/log-records';
import { plain, readAll } from '#tests/contract/log-store';
import { CrashingFileSystem } from './crashing-file-system';
import { DIRECTORY, randomOf, storeOn } from './disk-harness';

const LOG = '0000000000000001';
const PROMISED = { ...NO_PROMISE, epoch: 3, reign: 'r', votedFor: 'b/s', identity: LOG, commit: 20 };
const LAST_SEGMENT = /\.log$/;

/** A closed store of several segments and runs, and what is in it. */
async function written(): Promise<{ fileSystem: CrashingFileSystem; records: unknown[]; ids: Map<string, number> }> {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem);
  const source = new RecordSource();
  const ids = new Map<string, number>();
  await store.append([source.epochRecord()]);
  for (let group = 0; group < 8; group += 1) {
    const records = source.entries(3, (at) => (at === 0 ? {} : { id: `id-${group}-${at}` }));
    for (const { id, seq } of records) ids.set(id ?? '', seq);
    await store.append(records);
  }
  await store.savePromise(PROMISED);
  const records = plain(await readAll(store));
  await store.close();
  return { fileSystem, records, ids };
}

async function faultOf(attempt: Promise<unknown>): Promise<StorageError | null> {
  try {
    await attempt;
    return null;
  } catch (error) {
    if (error instanceof StorageError) return error;
    throw error;
  }
}

test('a flipped bit in any byte of any file is refused by name or makes no difference', async () => {
  const { fileSystem, records, ids } = await written();
  const random = randomOf(1);
  const refused = new Map<string, number>();
  for (const path of fileSystem.paths()) {
    for (let byte = 0; byte < fileSystem.sizeOf(path); byte += 1) {
      if (path.includes('/ids/') && byte % 17 !== 0) continue;
      const flipped = fileSystem.copy();
      flipped.flipBit(path, byte, Math.floor(random() * 8));
      const fault = await faultOf(storeOn(flipped).then((store) => expectEqual(store, records, ids)));
      if (fault === null) continue;
      expect(fault.code).toBe('damaged');
      refused.set(path, (refused.get(path) ?? 0) + 1);
    }
  }
  for (const path of fileSystem.paths()) {
    const isNeeded = !path.includes('/ids/') && !path.endsWith('synced');
    expect([path, refused.get(path) ?? 0]).toEqual([path, isNeeded ? fileSystem.sizeOf(path) : 0]);
  }
}, 60_000);

async function expectEqual(
  store: Awaited<ReturnType<typeof storeOn>>,
  records: unknown[],
  ids: Map<string, number>,
): Promise<void> {
  expect(plain(await readAll(store))).toEqual(records);
  expect(store.promised).toEqual(PROMISED);
  for (const [id, seq] of ids) expect(store.seqOfId(id)).toBe(seq);
}

test('a bit that flips after the open is found by the read, which names the record', async () => {
  const { fileSystem, records } = await written();
  const [path = ''] = fileSystem.paths().filter((name) => LAST_SEGMENT.test(name));
  for (let byte = 40; byte < fileSystem.sizeOf(path); byte += 1) {
    const flipped = fileSystem.copy();
    const store = await storeOn(flipped);
    flipped.flipBit(path, byte, byte % 8);
    const fault = await faultOf(
      store.read(1, NO_LIMITS).then((found) => expect(plain(found)).toEqual(records.slice(0, found.length))),
    );
    expect(fault).toMatchObject({ code: 'damaged', message: expect.stringMatching(/record \d+/) });
  }
});

test('no byte of a damaged record is given to a reader, and the fault is that of any read', async () => {
  const { fileSystem } = await written();
  const [path = ''] = fileSystem.paths().filter((name) => LAST_SEGMENT.test(name));
  for (let byte = 40; byte < fileSystem.sizeOf(path); byte += 1) {
    const flipped = fileSystem.copy();
    const store = await storeOn(flipped);
    flipped.flipBit(path, byte, byte % 8);
    const expected = await faultOf(store.read(1, NO_LIMITS));
    expect(expected).toMatchObject({ code: 'damaged' });
    expect(await faultOf(store.readEntries(1, NO_LIMITS, 0x0a))).toEqual(expected);
  }
});

test('a long log that is read in chunks is read from the disk once', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem, { segmentBytes: 2 ** 30 });
  const source = new RecordSource();
  for (let group = 0; group < 40; group += 1) {
    await store.append(source.entries(90, (at) => ({ message: 'x'.repeat(200 + 7 * at) })));
  }
  const [path = ''] = fileSystem.paths().filter((name) => LAST_SEGMENT.test(name));
  const open = fileSystem.open.bind(fileSystem);
  let bytesRead = 0;
  fileSystem.open = async (name, mode) => {
    const file = await open(name, mode);
    const read = file.read.bind(file);
    file.read = async (into, position) => {
      bytesRead += into.length;
      return read(into, position);
    };
    return file;
  };
  let next = 1;
  while (next < source.seq) {
    next += (await store.readEntries(next, { ...NO_LIMITS, maxBytes: 128 * 1024 }, 0x0a)).count;
  }
  expect(fileSystem.sizeOf(path)).toBeGreaterThan(10 * 128 * 1024);
  expect(bytesRead).toBeLessThan(fileSystem.sizeOf(path));
});

test('a bit that flips in the id index after the open is found by the look-up', async () => {
  const { fileSystem, ids } = await written();
  for (const path of fileSystem.paths().filter((name) => name.includes('/ids/'))) {
    const flipped = fileSystem.copy();
    const store = await storeOn(flipped);
    flipped.flipBit(path, 20, 3);
    const answers = [...ids].map(([id, seq]) => {
      try {
        return store.seqOfId(id) === seq;
      } catch (error) {
        expect(error).toMatchObject({ code: 'damaged' });
        return 'damaged';
      }
    });
    expect(answers).not.toContain(false);
    expect(answers).toContain('damaged');
  }
});

test('a missing file is refused, except what can be made again', async () => {
  const { fileSystem, records, ids } = await written();
  for (const path of fileSystem.paths()) {
    const lacking = fileSystem.copy();
    await lacking.remove(path);
    const fault = await faultOf(storeOn(lacking).then((store) => expectEqual(store, records, ids)));
    const canBeMade = path.includes('/ids/') || path.endsWith('synced');
    expect([path, fault?.code ?? null]).toEqual([path, canBeMade ? null : 'damaged']);
  }
});

test('an acked last record with a flipped bit is refused also when the marker is lost', async () => {
  const { fileSystem } = await written();
  await fileSystem.remove(`${DIRECTORY}/synced`);
  const path =
    fileSystem
      .paths()
      .filter((name) => LAST_SEGMENT.test(name))
      .at(-1) ?? '';
  const size = fileSystem.sizeOf(path);
  for (let byte = size - 150; byte < size; byte += 1) {
    const flipped = fileSystem.copy();
    flipped.flipBit(path, byte, byte % 8);
    expect(await faultOf(storeOn(flipped))).toMatchObject({ code: 'damaged', fatal: true });
  }
});

test('a file cut short is a torn tail only behind the synced marker', async () => {
  const { fileSystem, records } = await written();
  const path =
    fileSystem
      .paths()
      .filter((name) => LAST_SEGMENT.test(name))
      .at(-1) ?? '';
  const cut = fileSystem.copy();
  const file = await cut.open(path, 'write');
  await file.truncate((await file.size()) - 1);
  expect(await faultOf(storeOn(cut.copy()))).toMatchObject({
    code: 'damaged',
    message: expect.stringContaining(`record ${records.length} `),
  });
  await cut.remove(`${DIRECTORY}/synced`);
  const store = await storeOn(cut);
  expect(plain(await readAll(store))).toEqual(records.slice(0, -1));
});

test('files of two stores are not mixed', async () => {
  const one = (await written()).fileSystem;
  const two = (await written()).fileSystem;
  const path =
    one
      .paths()
      .filter((name) => LAST_SEGMENT.test(name))
      .at(-1) ?? '';
  const foreign = await two.readAll(path);
  const file = await one.open(path, 'create');
  await file.write(foreign ?? Buffer.alloc(0), 0);
  expect(await faultOf(storeOn(one))).toMatchObject({
    code: 'damaged',
    message: expect.stringContaining('belongs to'),
  });
});

/**
 * Which log a disk store holds: stores of release 0.1.0, stores of another log, and what a crash
 * leaves of a longer identity.
 */
import { NO_PROMISE } from '#protocol/promised';
import { openOrSalvage } from '#storage/disk/open-or-salvage';
import { replaceSmallFile } from '#storage/disk/small-file';
import { RecordSource } from '#tests/contract/log-records';
import { plain, readAll } from '#tests/contract/log-store';
import { CrashingFileSystem } from './disk/crashing-file-system';
import { belongingOptions, DIRECTORY, openOn, randomOf, storeOn } from './disk/disk-harness';

const LOG = '0000000000000001';

/** A closed store with an epoch record and `count` entries. */
async function written(count: number) {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem);
  const source = new RecordSource();
  const records = [source.epochRecord(), ...source.entries(count)];
  await store.append(records);
  await store.close();
  return { fileSystem, records, source, storeId: store.storeId };
}

async function jsonIn(fileSystem: CrashingFileSystem, name: string): Promise<unknown> {
  const bytes = await fileSystem.readAll(`${DIRECTORY}/${name}`);
  return JSON.parse(bytes?.toString().split('\n')[0] ?? 'null');
}

/** Takes out of the small files what release 0.1.0 did not write. */
async function makeOld(fileSystem: CrashingFileSystem, storeId: string): Promise<void> {
  const place = (name: string) => ({ directory: DIRECTORY, name });
  await replaceSmallFile(fileSystem, place('store.json'), { format: 1, storeId });
  await replaceSmallFile(fileSystem, place('promise.json'), { epoch: 3, reign: 'r', votedFor: 'b/s' });
}

async function contentsOf(fileSystem: CrashingFileSystem): Promise<unknown[]> {
  return Promise.all(fileSystem.paths().map(async (path) => [path, (await fileSystem.readAll(path))?.toString('hex')]));
}

test('a new store writes its log name, and no identity before it knows one', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const { storeId } = await storeOn(fileSystem);
  expect(await jsonIn(fileSystem, 'store.json')).toEqual({ format: 1, storeId, logName: 'rlog', log: null });
  const { identity: _, ...kept } = NO_PROMISE;
  expect(await jsonIn(fileSystem, 'promise.json')).toEqual(kept);
});

test('a store of release 0.1.0 opens with the identity of its records, and takes the log name', async () => {
  const { fileSystem, records, storeId } = await written(4);
  await makeOld(fileSystem, storeId);
  const store = await storeOn(fileSystem);
  expect(store.storeId).toBe(storeId);
  expect(store.promised).toEqual({ epoch: 3, reign: 'r', votedFor: 'b/s', log: null, identity: LOG, commit: 0 });
  expect(plain(await readAll(store))).toEqual(plain(records));
  expect(await jsonIn(fileSystem, 'store.json')).toEqual({ format: 1, storeId, logName: 'rlog', log: LOG });
});

test('the identity is in store.json before a promise in it is', async () => {
  const seen = new Set<string>();
  for (let crashAt = 1; ; crashAt += 1) {
    const { fileSystem } = await written(2);
    const store = await storeOn(fileSystem);
    await store.savePromise({ ...NO_PROMISE, epoch: 1, identity: LOG });
    const before = fileSystem.operations;
    fileSystem.crashAt = before + crashAt;
    const saving = store.savePromise({ ...NO_PROMISE, epoch: 2, log: `${LOG}/bb`, identity: `${LOG}/bb` });
    const [{ status } = { status: 'rejected' }] = await Promise.allSettled([saving]);
    for (const kind of ['power loss', 'kill'] as const) {
      const left = await storeOn(fileSystem.afterCrash(kind, randomOf(crashAt)));
      seen.add(`epoch ${left.promised.epoch}, ${left.promised.identity}`);
      if (status === 'fulfilled') expect(left.promised).toMatchObject({ epoch: 2, identity: `${LOG}/bb` });
    }
    if (status === 'fulfilled') break;
  }
  expect([...seen].sort()).toEqual([`epoch 1, ${LOG}`, `epoch 1, ${LOG}/bb`, `epoch 2, ${LOG}/bb`]);
});

test('a disk without room for a longer identity keeps the old one, and takes it when there is room', async () => {
  const { fileSystem } = await written(2);
  const store = await storeOn(fileSystem);
  const longer = { ...NO_PROMISE, epoch: 2, identity: `${LOG}/bb` };
  for (const room of [0, 150]) {
    fileSystem.room = room;
    await expect(store.savePromise(longer)).rejects.toMatchObject({ code: 'full', fatal: false });
    expect(store.promised.epoch).toBe(0);
    expect((await storeOn(fileSystem.copy())).promised.identity).toBe(store.promised.identity);
  }
  fileSystem.room = Number.POSITIVE_INFINITY;
  await store.savePromise(longer);
  expect((await storeOn(fileSystem.copy())).promised).toEqual(longer);
});

test('records that are cut leave the identity of a forced list', async () => {
  const { fileSystem, source } = await written(2);
  const store = await storeOn(fileSystem);
  await store.append([source.epochRecord(), source.forcedRecord(['a'])]);
  await store.close();
  const forced = await storeOn(fileSystem);
  const identity = `${LOG}/0000000000000002`;
  expect(forced.promised.identity).toBe(identity);
  await forced.truncateAfter(3);
  await forced.close();
  expect((await storeOn(fileSystem)).promised.identity).toBe(identity);
});

test('records of another log than the one of store.json are damage', async () => {
  const { fileSystem, storeId } = await written(2);
  const manifest = { format: 1, storeId, logName: 'rlog', log: `${LOG.replace('1', '9')}/bb` };
  await replaceSmallFile(fileSystem, { directory: DIRECTORY, name: 'store.json' }, manifest);
  await expect(openOn(fileSystem)).rejects.toMatchObject({
    code: 'damaged',
    message: expect.stringMatching(`${LOG}.*${manifest.log}`),
  });
});

describe('a store of another log', () => {
  const open = (fileSystem: CrashingFileSystem, options: { logName?: string; logId?: string | null }) =>
    openOrSalvage({ ...belongingOptions(fileSystem), ...options });

  test.each([
    ['LOG_NAME', { logName: 'other' }, 'rlog', 'other'],
    ['LOG_ID', { logId: 'ffff' }, LOG, 'ffff'],
  ])('by its %s is refused, and not a byte of it is changed', async (setting, options, found, configured) => {
    const { fileSystem } = await written(4);
    await (await storeOn(fileSystem)).close();
    const before = await contentsOf(fileSystem);
    const refused = open(fileSystem, options);
    await expect(refused).rejects.toMatchObject({ name: 'ForeignStoreError', exitCode: 78 });
    for (const part of [setting, found, configured, DIRECTORY]) await expect(refused).rejects.toThrow(part);
    expect(await contentsOf(fileSystem)).toEqual(before);
  });

  test('is told by its first record when store.json does not know the log yet, damaged or torn behind it', async () => {
    const { fileSystem, storeId } = await written(4);
    await makeOld(fileSystem, storeId);
    const segment = `${DIRECTORY}/0000000000000001.log`;
    fileSystem.flipBit(segment, fileSystem.sizeOf(segment) - 3, 0);
    const before = await contentsOf(fileSystem);
    await expect(open(fileSystem, { logId: 'ffff' })).rejects.toMatchObject({ name: 'ForeignStoreError' });
    expect(await contentsOf(fileSystem)).toEqual(before);
  });

  test('is one whose log id differs: its own log id opens it, and so does a node that is blank', async () => {
    const { fileSystem } = await written(4);
    const { opened } = await open(fileSystem, { logId: LOG });
    await opened.store.savePromise({ ...NO_PROMISE, identity: `${LOG}/bb` });
    await opened.store.close();
    expect((await open(fileSystem, { logId: LOG })).opened.store.promised.identity).toBe(`${LOG}/bb`);
    const blank = await open(CrashingFileSystem.empty(), { logId: 'ffff' });
    expect(blank.opened.store.promised.identity).toBeNull();
  });
});

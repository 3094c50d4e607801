import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_PROMISE } from '#protocol/promised';
import { createBeginPermission } from '#storage/begin-permission';
import { openLogStore } from '#storage/open';
import { writeBeginPermission } from '#storage/write-begin-permission';
import { RecordSource } from '#tests/contract/log-records';
import { CrashingFileSystem } from './disk/crashing-file-system';
import { DIRECTORY, randomOf, storeOn } from './disk/disk-harness';

let parent: string;
let dataDir: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'rlog-begin-'));
  dataDir = join(parent, 'made', 'log');
});
afterEach(() => rm(parent, { recursive: true }));

const open = async () => (await openLogStore({ kind: 'disk', dataDir, logName: 'rlog', logId: null })).store;

test('the permission is there for a new folder until it is consumed, through restarts', async () => {
  await writeBeginPermission(dataDir);
  await writeBeginPermission(dataDir);
  for (let start = 0; start < 2; start += 1) {
    const store = await open();
    expect(store.mayBegin).toBe(true);
    await store.close();
  }
  const store = await open();
  await store.consumePermission();
  await store.consumePermission();
  expect(store.mayBegin).toBe(false);
  await store.close();
  expect(await readdir(dataDir)).not.toContain('begin');
  const again = await open();
  expect(again.mayBegin).toBe(false);
  await again.close();
});

test('a store that is still blank takes the permission too', async () => {
  await (await open()).close();
  await writeBeginPermission(dataDir);
  const store = await open();
  expect(store.mayBegin).toBe(true);
  await store.close();
});

test.each([
  ['a log', async (store: Awaited<ReturnType<typeof open>>) => store.append([new RecordSource().epochRecord()])],
  [
    'an identity and no record',
    async (store: Awaited<ReturnType<typeof open>>) => store.savePromise({ ...NO_PROMISE, identity: 'aa' }),
  ],
])('a folder whose store has %s is refused the permission', async (_, fill) => {
  const store = await open();
  await fill(store);
  await store.close();
  const names = await readdir(dataDir);
  await expect(writeBeginPermission(dataDir)).rejects.toThrow(/already holds a log.*Nothing was written/);
  expect(await readdir(dataDir)).toEqual(names);
});

test('a folder that cannot be read is refused the permission', async () => {
  await (await open()).close();
  await rm(join(dataDir, 'promise.json'));
  await expect(writeBeginPermission(dataDir)).rejects.toThrow('damaged');
  expect(await readdir(dataDir)).not.toContain('begin');
});

test('a store with a list of members may not begin a log, whatever lies beside it', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const source = new RecordSource();
  const store = await storeOn(fileSystem);
  await store.append([source.epochRecord()]);
  await createBeginPermission({ fileSystem, directory: DIRECTORY });
  expect((await storeOn(fileSystem)).mayBegin).toBe(true);
  await store.append([source.membersRecord(['a'])]);
  expect((await storeOn(fileSystem)).mayBegin).toBe(false);
});

test('a permission that was consumed does not come back after a power loss', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const fileSystem = CrashingFileSystem.empty();
    await createBeginPermission({ fileSystem, directory: DIRECTORY });
    const store = await storeOn(fileSystem);
    await store.consumePermission();
    expect((await storeOn(fileSystem.afterCrash('power loss', randomOf(seed)))).mayBegin).toBe(false);
  }
});

/**
 * A store that is replaced while the machine crashes, at every operation: nothing good of it is
 * lost on the way.
 */
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { openOrSalvage } from '#storage/disk/open-or-salvage';
import { replaceSmallFile } from '#storage/disk/small-file';
import { RecordSource } from '#tests/contract/log-records';
import { plain, readAll } from '#tests/contract/log-store';
import { Crashed, CrashingFileSystem } from './crashing-file-system';
import { belongingOptions, DIRECTORY, randomOf, storeOn } from './disk-harness';

const IDENTITY = '0000000000000001/bb';
const PROMISED: Promised = { ...NO_PROMISE, epoch: 4, reign: 'r', log: IDENTITY, identity: IDENTITY, commit: 20 };
const ENTRIES = 40;

interface Bad {
  readonly fileSystem: CrashingFileSystem;
  readonly storeId: string;
  readonly kept: readonly unknown[];
  readonly promised: Promised;
}

/** A closed store of several segments and runs of ids. */
async function written() {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem);
  const source = new RecordSource();
  await store.append([source.epochRecord()]);
  for (let at = 0; at < ENTRIES; at += 5) await store.append(source.entries(5, (each) => ({ id: `id-${at + each}` })));
  await store.savePromise(PROMISED);
  const records = plain(await readAll(store));
  return { fileSystem, store, records };
}

async function damaged(): Promise<Bad> {
  const { fileSystem, store, records } = await written();
  await store.close();
  const [, second = ''] = fileSystem.paths().filter((path) => path.endsWith('.log'));
  fileSystem.flipBit(second, fileSystem.sizeOf(second) - 3, 1);
  const good = Number(/([0-9]+)\.log$/.exec(second)?.[1]) - 1;
  const kept = records.slice(0, good + framesIn(fileSystem, second) - 1);
  return { fileSystem, storeId: store.storeId, kept, promised: { ...PROMISED, commit: Math.min(20, kept.length) } };
}

/** Records in the segment, by the magic of their frames. */
function framesIn(fileSystem: CrashingFileSystem, path: string): number {
  let count = 0;
  const magic = Buffer.from([0xff, 0x52, 0x4c, 0xfe]);
  const content = fileSystem.contentOf(path);
  for (let at = content.indexOf(magic); at >= 0; at = content.indexOf(magic, at + 1)) count += 1;
  return count;
}

async function rolledBack(): Promise<Bad> {
  const { fileSystem, store, records } = await written();
  await store.savePromise({ ...PROMISED, commit: records.length });
  const promise = await fileSystem.readAll(`${DIRECTORY}/promise.json`);
  await store.savePromise({ ...PROMISED, commit: 0 });
  await store.truncateAfter(23);
  await store.close();
  const file = await fileSystem.open(`${DIRECTORY}/promise.json`, 'create');
  await file.write(promise ?? Buffer.alloc(0), 0);
  const left = fileSystem.copy();
  return {
    fileSystem: left,
    storeId: store.storeId,
    kept: records.slice(0, 23),
    promised: { ...PROMISED, commit: 23 },
  };
}

async function toRenew(): Promise<Bad> {
  const { fileSystem, store, records } = await written();
  await store.renew();
  await store.close();
  return { fileSystem, storeId: store.storeId, kept: records, promised: PROMISED };
}

describe.each([
  ['damaged', damaged],
  ['rolled-back', rolledBack],
  ['renewal-asked', toRenew],
])('a store that is %s', (why, make) => {
  test('is replaced by one with its good records, its promise and its identity', async () => {
    const { fileSystem, storeId, kept, promised } = await make();
    const { opened, replaced } = await openOrSalvage(belongingOptions(fileSystem));
    expect(replaced).toMatchObject({ why, keptIndex: kept.length, keptSeq: kept.length - 1 });
    expect(replaced?.setAsideIn).toMatch(why === 'damaged' ? /\/damaged-1000$/ : /\/replaced-1000$/);
    expect(fileSystem.paths()).toContain(`${replaced?.setAsideIn}/store.json`);
    expect(opened.store.storeId).not.toBe(storeId);
    expect(opened.store.promised).toEqual(promised);
    expect(plain(await readAll(opened.store))).toEqual(kept);
    await opened.store.close();
    const again = await openOrSalvage(belongingOptions(fileSystem));
    expect(again).toMatchObject({ replaced: null, opened: { store: { storeId: opened.store.storeId } } });
  });

  test.each(['power loss', 'kill'] as const)(
    'keeps all of it through a crash at every operation (%s)',
    async (kind) => {
      let points = 0;
      for (let crashAt = 1; ; crashAt += 1) {
        const { fileSystem: before, storeId, kept, promised } = await make();
        const fileSystem = before.copy();
        fileSystem.crashAt = crashAt;
        const isDone = await openOrSalvage(belongingOptions(fileSystem)).then(
          () => true,
          (error: unknown) => {
            if (!isCrash(error)) throw error;
            return false;
          },
        );
        const left = fileSystem.afterCrash(kind, randomOf(crashAt));
        const { opened } = await openOrSalvage({ ...belongingOptions(left), now: 2_000 });
        expect(opened.store.promised).toEqual(promised);
        expect(opened.store.storeId).not.toBe(storeId);
        expect(plain(await readAll(opened.store))).toEqual(kept);
        expect(left.paths().filter((path) => path.includes('salvage'))).toEqual([]);
        if (isDone) break;
        points += 1;
      }
      expect(points).toBeGreaterThan(30);
    },
    60_000,
  );
});

function isCrash(error: unknown): boolean {
  return error instanceof Crashed || (error instanceof Error && isCrash(error.cause));
}

test('a store whose records are of another log than store.json says keeps that identity, and none of the records', async () => {
  const { fileSystem, store } = await written();
  await store.close();
  const manifest = { format: 1, storeId: store.storeId, logName: 'rlog', log: 'ffff/cc' };
  await replaceSmallFile(fileSystem, { directory: DIRECTORY, name: 'store.json' }, manifest);
  const { opened, replaced } = await openOrSalvage(belongingOptions(fileSystem));
  expect(replaced).toMatchObject({ why: 'damaged', keptIndex: 0, what: expect.stringContaining('ffff/cc') });
  expect(opened.store.promised).toEqual({ ...PROMISED, identity: 'ffff/cc', commit: 0 });
  await opened.store.close();
  const again = await openOrSalvage(belongingOptions(fileSystem));
  expect(again).toMatchObject({ replaced: null, opened: { store: { promised: { identity: 'ffff/cc' } } } });
});

test('a salvage that has no room goes on at the next start', async () => {
  const { fileSystem, kept, promised } = await toRenew();
  fileSystem.room = 3_000;
  await expect(openOrSalvage(belongingOptions(fileSystem))).rejects.toMatchObject({ code: 'full' });
  fileSystem.room = Number.POSITIVE_INFINITY;
  const { opened, replaced } = await openOrSalvage({ ...belongingOptions(fileSystem), now: 2_000 });
  expect(replaced).toMatchObject({ why: 'renewal-asked', keptIndex: kept.length });
  expect(opened.store.promised).toEqual(promised);
  expect(plain(await readAll(opened.store))).toEqual(kept);
});

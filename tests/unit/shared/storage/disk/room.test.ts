import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { NO_PROMISE } from '#protocol/promised';
import { type Room, watchRoom } from '#storage/disk/room';
import type { Shortage } from '#storage/log-store';
import { tooLittleRoom } from '#storage/storage-fault';
import { RecordSource } from '#tests/contract/log-records';
import { CrashingFileSystem } from './crashing-file-system';
import { storeOn } from './disk-harness';

const MIB = 2 ** 20;
const FULL = { status: 'rejected', reason: { code: 'full', fatal: false } };
const tooFull = expect.objectContaining({ code: 'full', fatal: false });

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('the free space of a disk', () => {
  let free: number;
  let changes: (Shortage | null)[];
  let room: Room;

  async function start(freeBytes: number): Promise<void> {
    jest.useFakeTimers();
    free = freeBytes;
    changes = [];
    room = await watchRoom({
      directory: '/log',
      freeBytesMin: MIB,
      onChange: (shortage) => changes.push(shortage),
      measure: async () => free,
    });
  }
  const second = () => jest.advanceTimersByTimeAsync(1_000);
  afterEach(() => room.close());

  test('is measured at the start and each second, and a change is told once', async () => {
    await start(MIB - 1);
    expect(() => room.take(1)).toThrow(tooFull);
    await second();
    expect(changes).toEqual([{ freeBytes: MIB - 1, freeBytesMin: MIB }]);
    free = 3 * MIB;
    await second();
    expect(() => room.take(1)).not.toThrow();
    expect(room.shortage).toBeNull();
    expect(changes).toHaveLength(2);
  });

  test('counts what was written since it was measured', async () => {
    await start(2 * MIB);
    room.take(MIB);
    expect(() => room.take(1)).toThrow(tooFull);
    expect(room.shortage).toEqual({ freeBytes: MIB, freeBytesMin: MIB });
  });

  test('ends a shortage only well above the minimum', async () => {
    await start(MIB - 1);
    free = MIB;
    await second();
    expect(room.shortage).not.toBeNull();
    free = 2 * MIB;
    await second();
    expect(room.shortage).toBeNull();
  });

  test('is measured no more when it is closed', async () => {
    await start(2 * MIB);
    room.close();
    free = 0;
    await second();
    expect(room.shortage).toBeNull();
    expect(jest.getTimerCount()).toBe(0);
  });
});

test.each([
  ['fails', () => Promise.reject(new Error('ENOSYS'))],
  ['knows no blocks', async () => ({ blocks: 0, bavail: 0, bsize: 4096 })],
])('a file system whose statfs %s has no minimum', async (_, answer) => {
  jest.spyOn(fs, 'statfs').mockImplementation(answer as unknown as typeof fs.statfs);
  const options = { directory: tmpdir(), freeBytesMin: Number.MAX_SAFE_INTEGER, onChange: () => undefined };
  const unknown = await watchRoom(options);
  expect(() => unknown.take(1)).not.toThrow();
  unknown.close();
  jest.restoreAllMocks();
  const known = await watchRoom(options);
  expect(() => known.take(1)).toThrow(tooFull);
  known.close();
});

test('a store without room refuses entries, and takes promises, control records and cuts', async () => {
  const shortage = { freeBytes: 1, freeBytesMin: 2 };
  let isShort = false;
  const room: Room = {
    shortage,
    take: () => {
      if (isShort) throw tooLittleRoom('the log was not extended', shortage);
    },
    close: () => undefined,
  };
  const store = await storeOn(CrashingFileSystem.empty(), { room });
  const source = new RecordSource();
  const first = source.entries(2);
  await store.append(first);
  isShort = true;
  expect(await Promise.allSettled([store.append(source.entries(1)), store.append(source.entries(1))])).toMatchObject([
    FULL,
    FULL,
  ]);
  expect(store.shortage).toEqual(shortage);
  source.backTo(first.at(-1) ?? null);
  await store.append([source.epochRecord()]);
  await store.savePromise({ ...NO_PROMISE, epoch: 9 });
  await store.truncateAfter(1);
  expect(store.durableIndex).toBe(1);
  source.backTo(first[0] ?? null);
  isShort = false;
  await store.append(source.entries(1));
  expect(store.durableIndex).toBe(2);
});

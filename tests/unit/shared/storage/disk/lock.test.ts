import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeStoreLock } from '#storage/disk/lock';
import { openLogStore } from '#storage/open';

let directory: string;
const lockFile = () => join(directory, 'lock');

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'store-lock-'));
});

afterEach(() => rm(directory, { recursive: true }));

test('a second taker is refused and told the process; a released lock is free', async () => {
  const lock = await takeStoreLock(directory);
  await expect(takeStoreLock(directory)).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringContaining(`process ${process.pid}`),
  });
  await lock.release();
  const again = await takeStoreLock(directory);
  expect(again.takenFrom).toBeNull();
  await again.release();
  expect(await readdir(directory)).toEqual([]);
});

test('the lock of a process that was killed is taken over', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(child, 'spawn');
  await writeFile(lockFile(), JSON.stringify({ pid: child.pid, started: '' }));
  await expect(takeStoreLock(directory)).rejects.toMatchObject({ code: 'locked' });
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const lock = await takeStoreLock(directory);
  expect(lock.takenFrom).toBe(child.pid);
  await lock.release();
});

test('a pid that is another process by now does not hold the lock', async () => {
  if (process.platform !== 'linux') return;
  await writeFile(lockFile(), JSON.stringify({ pid: process.pid, started: '1' }));
  const lock = await takeStoreLock(directory);
  expect(lock.takenFrom).toBe(process.pid);
  await lock.release();
});

test.each(['', 'nonsense', 'null', '{"pid":-1,"started":""}'])('a lock that says %j is nobody’s', async (text) => {
  await writeFile(lockFile(), text);
  const lock = await takeStoreLock(directory);
  expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ pid: process.pid });
  await lock.release();
});

test('of many takers at once one gets an abandoned lock', async () => {
  for (let round = 0; round < 20; round += 1) {
    await writeFile(lockFile(), JSON.stringify({ pid: 2 ** 30, started: '' }));
    const takers = await Promise.allSettled(Array.from({ length: 5 }, () => takeStoreLock(directory)));
    const locks = takers.filter((taker) => taker.status === 'fulfilled');
    expect(locks).toHaveLength(1);
    for (const taker of takers) {
      if (taker.status === 'rejected') expect(taker.reason).toMatchObject({ code: 'locked' });
    }
    for (const { value } of locks) await value.release();
  }
});

test('an open store is locked, a closed one is not', async () => {
  const options = { kind: 'disk', dataDir: directory, logName: 'rlog', logId: null } as const;
  const { store } = await openLogStore(options);
  await expect(openLogStore(options)).rejects.toMatchObject({ code: 'locked', fatal: true });
  await store.close();
  const { store: again, report } = await openLogStore(options);
  expect(report).toMatchObject({ records: 0, tornBytes: 0, lockTakenFrom: null });
  await again.close();
});

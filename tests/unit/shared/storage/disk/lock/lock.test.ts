import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs, { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LockWait, takeStoreLock } from '#storage/disk/lock/lock';
import { encodeHolder, type Holder, newHolder } from '#storage/disk/lock/lock-holder';
import { openLogStore } from '#storage/open';

/** So short that a test does not wait for long, and long enough for some heartbeats. */
const QUICK = { beatMs: 10, watchMs: 200 };
const OTHER_CONTAINER = { namespace: 'pid:[1]', host: 'c0ffee', pid: 1 };

let directory: string;
const lockFile = () => join(directory, 'lock');
const writeLock = (holder: Partial<Holder>, beats = 0) =>
  writeFile(lockFile(), encodeHolder({ ...newHolder(), ...holder }, beats));

const STORE = () => ({ kind: 'disk', dataDir: directory, logName: 'rlog', logId: null }) as const;

function withResolver() {
  let resolve: (value: unknown) => void = () => undefined;
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

async function lockThatMayBeLost() {
  const { promise: lost, resolve: onLost } = withResolver();
  return { lock: await takeStoreLock(directory, { ...QUICK, onLost }), lost };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'store-lock-'));
});

afterEach(async () => {
  jest.restoreAllMocks();
  await rm(directory, { recursive: true });
});

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

test('a file system without hard links has locks, too', async () => {
  const refused = Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' });
  jest.spyOn(fs, 'link').mockRejectedValue(refused);
  const lock = await takeStoreLock(directory);
  await expect(takeStoreLock(directory)).rejects.toMatchObject({ code: 'locked' });
  await lock.release();
});

test('a lock for which there is no room is not left behind', async () => {
  const open = fs.open;
  jest.spyOn(fs, 'open').mockImplementationOnce(async (...args) => {
    const file = await open(...args);
    file.write = () => Promise.reject(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
    return file;
  });
  await expect(takeStoreLock(directory)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(await readdir(directory)).toEqual([]);
});

test('the lock of a process that was killed is taken over at once', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  await once(child, 'spawn');
  await writeLock({ pid: child.pid ?? 0, started: '' });
  await expect(takeStoreLock(directory)).rejects.toMatchObject({ code: 'locked' });
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const waits: LockWait[] = [];
  const lock = await takeStoreLock(directory, { onWait: (wait) => waits.push(wait) });
  expect(lock.takenFrom).toBe(child.pid);
  expect(waits).toEqual([]);
  await lock.release();
});

test('a pid that is another process by now does not hold the lock', async () => {
  if (process.platform !== 'linux') return;
  await writeLock({ started: '1' });
  const lock = await takeStoreLock(directory);
  expect(lock.takenFrom).toBe(process.pid);
  await lock.release();
});

test.each([
  ['another container', OTHER_CONTAINER],
  ['another container, with the pid of this process', { ...OTHER_CONTAINER, pid: process.pid }],
  ['another machine', { boot: 'another', pid: process.pid }],
])('a holder in %s that beats is refused with its name, and nothing is changed', async (_, other) => {
  const holder = { ...newHolder(), host: 'elsewhere', ...other };
  let beats = 0;
  const file = await fs.open(lockFile(), 'w');
  const beat = () => file.write(encodeHolder(holder, beats++), 0);
  await beat();
  const beating = setInterval(() => void beat(), 5);
  const waits: LockWait[] = [];
  await expect(
    takeStoreLock(directory, { ...QUICK, watchMs: 5_000, onWait: (wait) => waits.push(wait) }),
  ).rejects.toMatchObject({
    code: 'locked',
    message: expect.stringMatching(`process ${holder.pid} on ${holder.host}`),
  });
  clearInterval(beating);
  await file.close();
  expect(waits).toEqual([{ holder: { pid: holder.pid, host: holder.host }, waitMs: 5_000 }]);
  expect(await readdir(directory)).toEqual(['lock']);
  expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ nonce: holder.nonce });
});

test('a holder in another container that is silent is watched, and then taken over', async () => {
  await writeLock(OTHER_CONTAINER);
  const waits: LockWait[] = [];
  const lock = await takeStoreLock(directory, { ...QUICK, onWait: (wait) => waits.push(wait) });
  expect(lock.takenFrom).toBe(1);
  expect(waits).toEqual([{ holder: { pid: 1, host: 'c0ffee' }, waitMs: QUICK.watchMs }]);
  await lock.release();
});

test.each(['', 'nonsense', 'null', '{"pid":-1,"started":""}'])(
  'a lock that says %j is nobody’s when it stays so',
  async (text) => {
    await writeFile(lockFile(), text);
    const lock = await takeStoreLock(directory, QUICK);
    expect(JSON.parse(await readFile(lockFile(), 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
  },
);

test('a lock that is just being written is waited for', async () => {
  await writeFile(lockFile(), '');
  const taking = takeStoreLock(directory, { ...QUICK, onWait: () => void writeLock({}) });
  await expect(taking).rejects.toMatchObject({ code: 'locked' });
});

test('of many takers at once one gets an abandoned lock', async () => {
  for (let round = 0; round < 20; round += 1) {
    await writeLock({ pid: 2 ** 30 });
    const takers = await Promise.allSettled(Array.from({ length: 5 }, () => takeStoreLock(directory, QUICK)));
    const locks = takers.filter((taker) => taker.status === 'fulfilled');
    expect(locks).toHaveLength(1);
    for (const taker of takers) {
      if (taker.status === 'rejected') expect(taker.reason).toMatchObject({ code: 'locked' });
    }
    for (const { value } of locks) await value.release();
  }
});

test('a holder whose lock was taken over is told at its next heartbeat, and removes no lock of another', async () => {
  const { lock, lost } = await lockThatMayBeLost();
  expect(() => lock.check()).not.toThrow();
  await writeLock(OTHER_CONTAINER);
  await expect(lost).resolves.toMatchObject({ code: 'locked', fatal: true });
  expect(() => lock.check()).toThrow(expect.objectContaining({ code: 'locked', fatal: true }));
  await lock.release();
  expect(await readdir(directory)).toEqual(['lock']);
});

test('a holder that was stopped for long looks at its lock before it writes', async () => {
  let losses = 0;
  const lock = await takeStoreLock(directory, { beatMs: 50, onLost: () => losses++ });
  await writeLock(OTHER_CONTAINER);
  // As a paused process: no heartbeat, and no turn of the event loop.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120);
  expect(() => lock.check()).toThrow(expect.objectContaining({ code: 'locked', fatal: true }));
  expect(losses).toBe(1);
  await lock.release();
});

test('a store whose lock is lost refuses every write', async () => {
  const { promise: lost, resolve: onLost } = withResolver();
  const { store } = await openLogStore({ ...STORE(), lock: { ...QUICK, onLost } });
  await writeLock(OTHER_CONTAINER);
  await lost;
  const refused = { code: 'locked', fatal: true };
  await expect(store.append([])).rejects.toMatchObject(refused);
  await expect(store.savePromise(store.promised)).rejects.toMatchObject(refused);
  await expect(store.truncateAfter(0)).rejects.toMatchObject(refused);
  await store.close();
});

test('an open store is locked, a closed one is not', async () => {
  const options = STORE();
  const { store } = await openLogStore(options);
  await expect(openLogStore(options)).rejects.toMatchObject({ code: 'locked', fatal: true });
  await store.close();
  const { store: again, report } = await openLogStore(options);
  expect(report).toMatchObject({ records: 0, tornBytes: 0, lockTakenFrom: null });
  await again.close();
});

import pino from 'pino';
import { PromiseKeeper } from '#process/promise-keeper';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import { StorageError } from '#storage/log-store';
import { MemoryLogStore } from '#storage/memory';

const promised = (epoch: number): Promised => ({ ...NO_PROMISE, epoch, reign: `r${epoch}` });
const full = new StorageError('no space left', { code: 'full', fatal: false });
const broken = new StorageError('fsync failed', { code: 'failed', fatal: true });

/** A store whose saves end when and as the test says. */
class HeldStore extends MemoryLogStore {
  readonly attempts: number[] = [];
  private ends: ((error: Error | null) => void)[] = [];

  override savePromise(wanted: Promised): Promise<void> {
    this.attempts.push(wanted.epoch);
    return new Promise((resolve, reject) => {
      this.ends.push((error) => (error === null ? resolve() : reject(error)));
    });
  }

  async end(error: Error | null = null): Promise<void> {
    this.ends.shift()?.(error);
    await jest.advanceTimersByTimeAsync(0);
  }
}

function keeperOf() {
  const store = new HeldStore();
  const saved: number[] = [];
  const failures: unknown[] = [];
  const keeper = new PromiseKeeper({
    store,
    logger: pino({ level: 'silent' }),
    saved: ({ epoch }) => saved.push(epoch),
    fail: (error) => failures.push(error),
  });
  return { store, keeper, saved, failures };
}

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test('a promise is kept when the store has it, and not before', async () => {
  const { store, keeper, saved } = keeperOf();
  keeper.save(promised(1));
  expect(saved).toEqual([]);
  await store.end();
  expect(saved).toEqual([1]);
});

test('one promise after the other is kept', async () => {
  const { store, keeper, saved } = keeperOf();
  for (const epoch of [1, 2]) {
    keeper.save(promised(epoch));
    await store.end();
  }
  expect(saved).toEqual([1, 2]);
});

test('a newer promise is saved after the one under way, and those between are left out', async () => {
  const { store, keeper, saved } = keeperOf();
  for (const epoch of [1, 2, 3]) keeper.save(promised(epoch));
  await store.end();
  await store.end();
  expect(store.attempts).toEqual([1, 3]);
  expect(saved).toEqual([1, 3]);
});

test('a full disk is tried again until there is room', async () => {
  const { store, keeper, saved, failures } = keeperOf();
  keeper.save(promised(1));
  for (let attempt = 1; attempt <= 20; attempt += 1) {
    await store.end(full);
    await jest.advanceTimersByTimeAsync(5_000);
  }
  expect(saved).toEqual([]);
  await store.end();
  expect(saved).toEqual([1]);
  expect(store.attempts).toHaveLength(21);
  expect(failures).toEqual([]);
});

test('while the disk is full a newer promise takes the place of the older', async () => {
  const { store, keeper, saved } = keeperOf();
  keeper.save(promised(1));
  await store.end(full);
  keeper.save(promised(2));
  await jest.advanceTimersByTimeAsync(5_000);
  await store.end();
  expect(store.attempts).toEqual([1, 2]);
  expect(saved).toEqual([2]);
});

test.each([broken, new Error('surprise')])('a store that is broken for good ends it: %s', async (error) => {
  const { store, keeper, saved, failures } = keeperOf();
  keeper.save(promised(1));
  await store.end(error);
  await jest.advanceTimersByTimeAsync(60_000);
  expect(failures).toEqual([error]);
  expect(saved).toEqual([]);
  expect(store.attempts).toEqual([1]);
});

test('a store that was closed under a promise ends nothing: the node stops', async () => {
  const { store, keeper, saved, failures } = keeperOf();
  keeper.save(promised(1));
  keeper.save(promised(2));
  await store.end();
  await store.end(new StorageError('closed', { code: 'closed', fatal: true }));
  await jest.advanceTimersByTimeAsync(60_000);
  expect({ saved, failures }).toEqual({ saved: [1], failures: [] });
});

test('a promise that is made while the last is reported is saved, too', async () => {
  const store = new HeldStore();
  const saved: number[] = [];
  const keeper: PromiseKeeper = new PromiseKeeper({
    store,
    logger: pino({ level: 'silent' }),
    saved: ({ epoch }) => {
      saved.push(epoch);
      if (epoch < 3) keeper.save(promised(epoch + 1));
    },
    fail: (error) => {
      throw error;
    },
  });
  keeper.save(promised(1));
  for (let count = 0; count < 3; count += 1) await store.end();
  expect(saved).toEqual([1, 2, 3]);
});

test('a promise that is made just after the last was reported is not forgotten', async () => {
  const store = new HeldStore();
  const saved: number[] = [];
  const keeper: PromiseKeeper = new PromiseKeeper({
    store,
    logger: pino({ level: 'silent' }),
    saved: ({ epoch }) => {
      saved.push(epoch);
      if (epoch === 1) Promise.resolve().then(() => keeper.save(promised(2)), fail);
    },
    fail,
  });
  keeper.save(promised(1));
  await store.end();
  await store.end();
  expect(saved).toEqual([1, 2]);
});

function fail(error: unknown): never {
  throw error;
}

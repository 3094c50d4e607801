import { pino } from 'pino';
import { type DriverParts, NodeDriver, type SharedEffect, type SharedEvent, writeFailureOf } from '#node/driver';
import { type LogStore, StorageError } from '#storage/log-store';
import { MemoryLogStore } from '#storage/memory';

type Effect = SharedEffect | { readonly do: 'own' };
type Event = { readonly type: 'go' } | { readonly type: 'tick' } | SharedEvent;

class Driver extends NodeDriver<Event, Effect, DriverParts<Event, Effect>> {
  readonly own: Effect[] = [];
  protected override tick(): void {
    this.dispatch({ type: 'tick' });
  }
  protected override perform(effect: Effect): void {
    if (effect.do === 'own') this.own.push(effect);
    else this.performShared(effect);
  }
}

/**
 * A driver whose machine answers `go` with these effects and every other event with none, and what
 * it told whom.
 */
function driverOf(effects: readonly Effect[], store: LogStore = new MemoryLogStore()) {
  const told: unknown[] = [];
  const driver = new Driver({
    machine: {
      httpUrl: '',
      step: (_, event) => {
        if (event.type === 'go') return effects;
        told.push(event);
        return [];
      },
    },
    store,
    reader: { moved: () => told.push('moved') },
    broker: { start: () => told.push('started'), close: async () => void told.push('closed') },
    logger: pino({ level: 'silent' }),
    fail: (error) => told.push(['fail', String(error)]),
    restart: (error) => told.push(['restart', String(error)]),
  });
  return { driver, told };
}

const settled = () => new Promise(setImmediate);
const STORE: Effect = { do: 'store', generation: 7, records: [] };

/** A store whose writes are refused with this error. */
function refusing(error: Error): LogStore {
  const store = new MemoryLogStore();
  store.append = () => Promise.reject(error);
  store.truncateAfter = () => Promise.reject(error);
  return store;
}

test('a write that is done is an event, and so is one that failed', async () => {
  const good = driverOf([STORE]);
  good.driver.dispatch({ type: 'go' });
  await settled();
  expect(good.told).toMatchObject([{ type: 'stored', generation: 7, checksum: 0 }]);
  const bad = driverOf([STORE], refusing(new StorageError('no space left', { code: 'full', fatal: false })));
  bad.driver.dispatch({ type: 'go' });
  await settled();
  expect(bad.told).toMatchObject([{ type: 'storeFailed', generation: 7, fatal: false, what: 'no space left' }]);
});

test('work that nobody waits for ends the process when it fails, unless the store was closed for the stop', async () => {
  const cut: Effect = { do: 'truncate', index: 1 };
  const broken = driverOf([cut], refusing(new StorageError('cut failed', { code: 'failed', fatal: true })));
  broken.driver.dispatch({ type: 'go' });
  const stopping = driverOf([cut, STORE], refusing(new StorageError('closed', { code: 'closed', fatal: true })));
  stopping.driver.dispatch({ type: 'go' });
  await settled();
  expect(broken.told).toEqual([['fail', 'StorageError: cut failed']]);
  expect(stopping.told).toEqual([]);
});

test('effects of the role are performed by the role, the shared ones here, in one order', () => {
  const { driver, told } = driverOf([{ do: 'own' }, { do: 'visible' }, { do: 'halt', why: 'the store is broken' }]);
  driver.dispatch({ type: 'go' });
  expect(driver.own).toHaveLength(1);
  expect(told).toEqual(['moved', ['fail', 'Error: the store is broken']]);
});

test('work on the store that is refused for want of room is tried again', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick'] });
  const store = new MemoryLogStore();
  const full = new StorageError('no file descriptor is free', { code: 'full', fatal: false });
  store.renew = jest.fn().mockRejectedValueOnce(full).mockRejectedValueOnce(full).mockResolvedValueOnce(undefined);
  const { driver, told } = driverOf([{ do: 'renewStore' }], store);
  driver.dispatch({ type: 'go' });
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    await settled();
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(600);
  }
  await settled();
  jest.useRealTimers();
  expect(told).toEqual([['restart', expect.stringContaining('becomes another one')]]);
});

test('a promise that is durable is an event', async () => {
  const promised = { ...new MemoryLogStore().promised, epoch: 3 };
  const { driver, told } = driverOf([{ do: 'savePromise', promised }]);
  driver.dispatch({ type: 'go' });
  await settled();
  expect(told).toEqual([{ type: 'promiseSaved', promised }]);
});

test('it ticks from the start to the stop, and the broker is left before the store is closed', async () => {
  jest.useFakeTimers();
  const store = new MemoryLogStore();
  const { driver, told } = driverOf([], store);
  store.close = async () => void told.push('store closed');
  driver.start('http://localhost:8000');
  jest.advanceTimersByTime(45);
  await driver.stop();
  jest.advanceTimersByTime(100);
  jest.useRealTimers();
  expect(told).toEqual(['started', { type: 'tick' }, { type: 'tick' }, 'closed', 'store closed']);
});

test('only what the store itself calls passing is told as such', () => {
  const full = new StorageError('no space left', { code: 'full', fatal: false });
  const failed = new StorageError('fsync failed', { code: 'failed', fatal: true });
  expect(writeFailureOf(full)).toEqual({ fatal: false, what: 'no space left' });
  expect(writeFailureOf(failed)).toEqual({ fatal: true, what: 'fsync failed' });
  expect(writeFailureOf(new TypeError('surprise'))).toEqual({ fatal: true, what: 'surprise' });
  expect(writeFailureOf('surprise')).toEqual({ fatal: true, what: 'surprise' });
});

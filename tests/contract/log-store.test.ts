import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { STORE_KINDS, type StoreKind } from '#protocol/store-kind';
import { openLogStore } from '#storage/open';
import { logStoreContract } from './log-store';

const TRIED: readonly StoreKind[] = ['memory', 'disk'];

test('the back ends that are tried here are all that there are', () => {
  expect([...TRIED].sort()).toEqual([...STORE_KINDS].sort());
});

logStoreContract('memory', {
  create: async () => (await openLogStore({ kind: 'memory', dataDir: '', logName: 'rlog', logId: null })).store,
  reopen: null,
});

describe('on a real file system', () => {
  let parent: string;
  let count = 0;

  beforeAll(async () => {
    parent = await mkdtemp(join(tmpdir(), 'log-store-'));
  });

  afterAll(() => rm(parent, { recursive: true }));

  const sizes = [
    ['disk', {}],
    ['disk with small segments and cache', { segmentBytes: 300, cacheBytes: 500 }],
  ] as const;
  for (const [name, options] of sizes) {
    let dataDir: string;
    const open = async () =>
      (await openLogStore({ kind: 'disk', dataDir, logName: 'rlog', logId: null, ...options })).store;
    logStoreContract(name, {
      create: () => {
        count += 1;
        dataDir = join(parent, `store-${count}`, 'log');
        return open();
      },
      reopen: async (store) => {
        await store.close();
        return open();
      },
    });
  }
});

/**
 * An inspection against what an open finds, on stores that are whole, torn, damaged and half
 * replaced; and that it changes nothing.
 */
import { NO_PROMISE } from '#protocol/promised';
import { createBeginPermission } from '#storage/begin-permission';
import type { FileSystem } from '#storage/disk/file-system';
import { openOrSalvage } from '#storage/disk/open-or-salvage';
import { type Inspection, inspectStore } from '#storage/inspect';
import { StorageError } from '#storage/log-store';
import { RecordSource } from '#tests/contract/log-records';
import { readAll } from '#tests/contract/log-store';
import { CrashingFileSystem } from './disk/crashing-file-system';
import { belongingOptions, DIRECTORY, randomOf, storeOn } from './disk/disk-harness';

const LOG = '0000000000000001';
const BRANCH = `${LOG}/0000000000000002`;

/**
 * A closed store of several segments: two epochs, the second of which was forced, and its entries'
 * lines.
 */
async function written() {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem);
  const source = new RecordSource();
  await store.append([source.epochRecord(), source.membersRecord(['a', 'b'])]);
  for (let group = 0; group < 5; group += 1) await store.append(source.entries(4));
  await store.append([source.epochRecord(), source.forcedRecord(['a'])]);
  await store.append(source.entries(3, (at) => ({ id: `id-${at}`, message: 'é "\u2028"' })));
  await store.savePromise({ epoch: 2, reign: 'r', votedFor: 'master/s1', log: BRANCH, identity: BRANCH, commit: 25 });
  const lines = (await readAll(store)).filter(({ control }) => control === null).map(({ bytes }) => textOf(bytes));
  await store.close();
  return { fileSystem, storeId: store.storeId, lines };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** Only what reads; anything else fails the test. */
function readOnly(fileSystem: CrashingFileSystem): FileSystem {
  const refuse = async (): Promise<never> => {
    throw new Error('an inspection changes nothing');
  };
  return {
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    syncDirectory: refuse,
    openDirectory: refuse,
    list: (path) => fileSystem.list(path),
    readAll: (path) => fileSystem.readAll(path),
    open: async (path, mode) =>
      mode === 'read'
        ? { ...(await fileSystem.open(path, mode)), write: refuse, truncate: refuse, sync: refuse }
        : refuse(),
  };
}

async function inspected(fileSystem: CrashingFileSystem): Promise<{ found: Inspection; lines: string[] }> {
  const before = fileSystem.paths().map((path) => [path, fileSystem.contentOf(path).toString('latin1')]);
  const lines: string[] = [];
  const found = await inspectStore(readOnly(fileSystem), DIRECTORY, async (some) => {
    lines.push(...some.map(textOf));
  });
  expect(fileSystem.paths().map((path) => [path, fileSystem.contentOf(path).toString('latin1')])).toEqual(before);
  if (found === null) throw new Error('no store');
  return { found, lines };
}

async function faultOf(opening: Promise<unknown>): Promise<StorageError | null> {
  try {
    await opening;
    return null;
  } catch (error) {
    if (error instanceof StorageError) return error;
    throw error;
  }
}

function segmentsOf(fileSystem: CrashingFileSystem): string[] {
  return fileSystem.paths().filter((path) => path.endsWith('.log'));
}

test('a store that is whole is told as it is, and its entries are the records', async () => {
  const { fileSystem, storeId, lines: expected } = await written();
  const { found, lines } = await inspected(fileSystem);
  expect(lines).toEqual(expected);
  expect(found).toEqual({
    directory: DIRECTORY,
    identity: BRANCH,
    logId: LOG,
    logName: 'rlog',
    storeId,
    node: null,
    promised: { epoch: 2, reign: 'r', votedFor: 'master/s1', log: BRANCH, commit: 25 },
    records: 27,
    lastIndex: 27,
    firstSeq: 1,
    lastSeq: 23,
    epochs: [
      { epoch: 1, reign: LOG, firstIndex: 1, firstSeq: 1, lastSeq: 20 },
      { epoch: 2, reign: '0000000000000002', firstIndex: 23, firstSeq: 21, lastSeq: 23 },
    ],
    list: { index: 24, voters: [{ node: 'master', store: 's1' }], members: ['a'], removed: [], forced: true },
    commit: { index: 25, seq: 21 },
    bytes: segmentsOf(fileSystem).reduce((sum, path) => sum + fileSystem.sizeOf(path), 0),
    segments: segmentsOf(fileSystem).length,
    tornBytes: 0,
    damages: [],
    checkpoint: null,
    salvage: null,
    hasBeginPermission: false,
    isRenewalAsked: false,
    runningPid: null,
    setAside: [],
  } satisfies Inspection);
});

test('a checkpoint is told by the index that it covers', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem, { checkpointBytes: 100 });
  await store.append(new RecordSource().entries(5));
  await store.close();
  expect((await inspectStore(fileSystem, DIRECTORY))?.checkpoint).toBe(5);
});

test('the node that the log knows this store by, and who was removed from it', async () => {
  const fileSystem = CrashingFileSystem.empty();
  const store = await storeOn(fileSystem);
  const source = new RecordSource();
  const list = { seq: 0, epoch: 1, control: 'members', voters: [{ node: 'b', store: store.storeId }], members: ['b'] };
  const epoch = source.epochRecord();
  const bytes = Buffer.from(JSON.stringify({ ...list, removed: ['c'] }));
  await store.append([epoch, { ...source.membersRecord(['b']), bytes }]);
  await store.renew();
  await store.close();
  await createBeginPermission({ fileSystem, directory: DIRECTORY });
  const { found } = await inspected(fileSystem);
  expect(found).toMatchObject({ node: 'b', list: { removed: ['c'] }, isRenewalAsked: true, hasBeginPermission: true });
});

test('a blank store and a folder without one', async () => {
  const fileSystem = CrashingFileSystem.empty();
  expect(await inspectStore(readOnly(fileSystem), DIRECTORY)).toBeNull();
  await (await storeOn(fileSystem)).close();
  const { found, lines } = await inspected(fileSystem);
  expect(found).toMatchObject({ identity: null, logId: null, records: 0, firstSeq: 0, lastSeq: 0, list: null });
  expect([found.epochs, found.damages, lines]).toEqual([[], [], []]);
  expect(found.promised).toEqual({ epoch: 0, reign: '', votedFor: null, log: null, commit: 0 });
});

test('whatever byte is flipped, it says damage where an open does, and gives what is good before', async () => {
  const { fileSystem, lines: expected } = await written();
  const random = randomOf(1);
  let damaged = 0;
  for (const path of [...segmentsOf(fileSystem), `${DIRECTORY}/store.json`, `${DIRECTORY}/promise.json`]) {
    for (let byte = 0; byte < fileSystem.sizeOf(path); byte += 7) {
      const flipped = fileSystem.copy();
      flipped.flipBit(path, byte, Math.floor(random() * 8));
      const { found, lines } = await inspected(flipped);
      const fault = await faultOf(storeOn(flipped.copy()));
      expect([path, byte, found.damages.length > 0]).toEqual([path, byte, fault !== null]);
      const [damage] = found.damages;
      expect(path.endsWith(damage?.file ?? '-')).toBe(true);
      if (damage?.offset) expect(fault?.message).toContain(`at byte ${damage.offset}: record ${damage.record} `);
      expect(lines).toEqual(expected.slice(0, lines.length));
      const { opened } = await openOrSalvage(belongingOptions(flipped));
      expect([found.records, found.lastSeq]).toEqual([opened.store.opened.lastIndex, opened.store.opened.lastSeq]);
      damaged += 1;
    }
  }
  expect(damaged).toBeGreaterThan(400);
}, 60_000);

test('a torn tail is no damage; its bytes are those that an open cuts', async () => {
  const { fileSystem } = await written();
  const left = fileSystem.copy();
  const path = segmentsOf(left).at(-1) ?? '';
  await (await left.open(path, 'write')).truncate(left.sizeOf(path) - 1);
  await left.remove(`${DIRECTORY}/synced`);
  const { found } = await inspected(left);
  const { tornBytes } = (await openOrSalvage(belongingOptions(left))).opened;
  expect(found.tornBytes).toBe(tornBytes);
  expect(tornBytes).toBeGreaterThan(0);
  expect(found.damages).toEqual([]);
});

test('a missing segment, a missing store.json and a lost end are damage', async () => {
  const { fileSystem } = await written();
  const [first = '', second = ''] = segmentsOf(fileSystem);
  const lacking = fileSystem.copy();
  await lacking.remove(first);
  expect((await inspected(lacking)).found.damages).toMatchObject([
    { file: second.slice(DIRECTORY.length + 1), what: expect.stringContaining('a segment is missing') },
  ]);
  const nameless = fileSystem.copy();
  await nameless.remove(`${DIRECTORY}/store.json`);
  const { found } = await inspected(nameless);
  expect(found).toMatchObject({ records: 27, identity: BRANCH, damages: [{ file: 'store.json' }] });
  expect(found.storeId).toMatch(/^[0-9a-f]{16}$/);
  const short = fileSystem.copy();
  for (const path of segmentsOf(short).slice(1)) await short.remove(path);
  expect((await inspected(short)).found.damages).toMatchObject([{ what: expect.stringContaining('was durable') }]);
  await short.remove(`${DIRECTORY}/synced`);
  expect((await inspected(short)).found.damages).toMatchObject([{ what: expect.stringContaining('record 25 was') }]);
});

test('a store that is being replaced says so, and keeps its identity', async () => {
  const { fileSystem } = await written();
  const store = await storeOn(fileSystem);
  await store.savePromise({ ...NO_PROMISE, identity: `${BRANCH}/cc` });
  await store.renew();
  await store.close();
  fileSystem.room = 500;
  await expect(openOrSalvage(belongingOptions(fileSystem))).rejects.toMatchObject({ code: 'full' });
  const { found } = await inspected(fileSystem);
  expect(found).toMatchObject({
    identity: `${BRANCH}/cc`,
    salvage: { why: 'renewal-asked', folder: 'replaced-1000' },
  });
});

/**
 * A damaged store on a real disk: what is good of it begins a new store, what is not comes from
 * elsewhere.
 */
import { copyFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { controlRecord, entryRecord, type LogRecord } from '#protocol/record';
import type { LogStore } from '#storage/log-store';
import { openLogStore } from '#storage/open';

const REIGN = '00112233445566aa';
const PROMISED = {
  epoch: 3,
  reign: REIGN,
  votedFor: 'master/one',
  log: `${REIGN}/bb`,
  identity: `${REIGN}/bb`,
  commit: 70,
};
const GROUPS = 10;
const GROUP_RECORDS = 10;

let dataDir: string;
/** Stores to close after the test. */
const closing: LogStore[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rlog-salvage-'));
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((store) => store.close()));
  await rm(dataDir, { recursive: true });
});

function record(index: number): LogRecord {
  if (index === 1) {
    const control = { control: 'epoch', reign: REIGN, node: 'master', store: 'one' } as const;
    return controlRecord({ index, epoch: 3, seq: 0 }, control);
  }
  const seq = index - 1;
  return entryRecord(index, { seq, epoch: 3, id: `id-${seq}`, ts: '2026-01-01T00:00:00.000Z', message: `m${seq}` });
}

function open(segmentBytes?: number) {
  return openLogStore({
    kind: 'disk',
    dataDir,
    logName: 'rlog',
    logId: null,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  });
}

/** A closed store of 100 records; its id. */
async function make(segmentBytes?: number): Promise<string> {
  const { store } = await open(segmentBytes);
  for (let group = 0; group < GROUPS; group += 1) {
    await store.append(Array.from({ length: GROUP_RECORDS }, (_, at) => record(group * GROUP_RECORDS + at + 1)));
  }
  await store.savePromise(PROMISED);
  await store.close();
  return store.storeId;
}

/** Flips a bit of the first place in the log's files that holds the text. */
async function flip(text: string): Promise<void> {
  for (const name of (await readdir(dataDir)).filter((each) => each.endsWith('.log'))) {
    const bytes = await readFile(join(dataDir, name));
    const at = bytes.indexOf(text);
    if (at < 0) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return writeFile(join(dataDir, name), bytes);
  }
  throw new Error(`${text} is nowhere in the log`);
}

test.each([
  ['the first entry', 1, undefined],
  ['a middle entry', 42, undefined],
  ['a middle entry of many segments', 42, 1_000],
  ['the last entry', 99, undefined],
])('%s damaged: the good prefix begins a new store', async (_, seq, segmentBytes) => {
  const former = await make(segmentBytes);
  await flip(`"message":"m${seq}"`);

  const { store, report } = await open(segmentBytes);
  expect(report.replaced).toMatchObject({ why: 'damaged', keptIndex: seq, keptSeq: seq - 1 });
  expect(report.replaced?.what).toContain(`record ${seq + 1}`);
  expect(store.storeId).not.toBe(former);
  expect(store.promised).toEqual({ ...PROMISED, commit: Math.min(70, seq) });
  expect(store.opened.lastIndex).toBe(seq);
  const kept = await store.read(1, { to: seq, maxBytes: 1_000_000, maxRecords: 1_000 });
  expect(kept.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(
    Array.from({ length: kept.length }, (_each, at) => Buffer.from(record(at + 1).bytes).toString()),
  );
  expect(store.seqOfId(`id-${seq}`)).toBeNull();
  if (seq > 1) expect(store.seqOfId(`id-${seq - 1}`)).toBe(seq - 1);

  await store.append([record(seq + 1)]);
  await store.close();
  const again = await open(segmentBytes);
  expect(again.report.replaced).toBeNull();
  expect(again.store.storeId).toBe(store.storeId);
  expect(again.store.durableIndex).toBe(seq + 1);
  await again.store.close();
});

test('the damaged files stay as they were found, of the last two times', async () => {
  for (let time = 0; time < 3; time += 1) {
    await make();
    await flip('"message":"m42"');
    const { store, report } = await open();
    expect(await readdir(report.replaced?.setAsideIn ?? '')).toContain('0000000000000001.log');
    await store.savePromise({ ...store.promised, commit: 0 });
    await store.truncateAfter(0);
    await store.close();
  }
  expect((await readdir(dataDir)).filter((name) => name.startsWith('damaged-'))).toHaveLength(2);
});

test('a lost promise makes another voter of the store, and loses no entry', async () => {
  const former = await make();
  await rm(join(dataDir, 'promise.json'));
  const { store, report } = await open();
  expect(report.replaced?.what).toContain('promise.json');
  expect(store.storeId).not.toBe(former);
  expect(store.durableIndex).toBe(GROUPS * GROUP_RECORDS);
  await store.close();
});

test('a store of a later version is left alone', async () => {
  await make();
  const manifest = join(dataDir, 'store.json');
  const { crc32 } = await import('node:zlib');
  const line = JSON.stringify({ format: 99, storeId: '0123456789abcdef' });
  const check = (await readFile(manifest, 'latin1')).split('\n')[1] ?? '';
  const hex = crc32(Buffer.from(line)).toString(16);
  await writeFile(
    manifest,
    `${line}\n${/^[0-9a-f]+$/.test(check) ? hex.padStart(check.length, '0') : crc32(Buffer.from(line))}\n`,
  );
  await expect(open()).rejects.toMatchObject({ code: 'unknown-format' });
  expect((await readdir(dataDir)).filter((name) => name.startsWith('damaged-'))).toEqual([]);
});

test('older files put in the place of its own are noticed: the store is another one, and keeps log and promise', async () => {
  const former = await make();
  const copy = await mkdtemp(join(tmpdir(), 'rlog-copy-'));
  const isOfLog = (name: string) => /\.log$|^synced$/.test(name);
  for (const name of (await readdir(dataDir)).filter(isOfLog)) await copyFile(join(dataDir, name), join(copy, name));
  const { store: grown } = await open();
  await grown.append([record(101), record(102)]);
  await grown.savePromise({ ...PROMISED, commit: 102 });
  await grown.close();
  await writeFile(join(dataDir, 'notes.txt'), 'not ours');
  for (const name of await readdir(copy)) await copyFile(join(copy, name), join(dataDir, name));
  await rm(copy, { recursive: true });

  const { store, report } = await open();
  expect(report.replaced).toMatchObject({
    why: 'rolled-back',
    what: expect.stringMatching(/ends at record 100, .* record 102 /),
    keptIndex: 100,
    keptSeq: 99,
  });
  expect(store.storeId).not.toBe(former);
  expect(store.promised).toEqual({ ...PROMISED, commit: 100 });
  expect(await readdir(report.replaced?.setAsideIn ?? '')).toContain('0000000000000001.log');
  expect(await readdir(dataDir)).toContain('notes.txt');
  await store.close();
  const again = await open();
  expect(again.report.replaced).toBeNull();
  await again.store.close();
});

test('a damaged store.json costs the store its id, and not the log name or the identity that can be known', async () => {
  await make();
  const bytes = await readFile(join(dataDir, 'store.json'));
  bytes[3] = (bytes[3] ?? 0) ^ 1;
  await writeFile(join(dataDir, 'store.json'), bytes);
  const { store, report } = await open();
  expect(report.replaced?.what).toContain('store.json');
  expect(store.promised).toEqual({ ...PROMISED, identity: REIGN });
  await store.close();
  const other = openLogStore({ kind: 'disk', dataDir, logName: 'other', logId: null });
  await expect(other).rejects.toMatchObject({ name: 'ForeignStoreError' });
});

describe('a log that a checkpoint covers', () => {
  const covered = (more: object = {}) =>
    openLogStore({
      kind: 'disk',
      dataDir,
      logName: 'rlog',
      logId: null,
      segmentBytes: 2_000,
      checkpointBytes: 1_000,
      verifyAfterMs: 0,
      ...more,
    });

  async function fill(): Promise<void> {
    const { store } = await covered();
    for (let index = 1; index <= 100; index += 1) await store.append([record(index)]);
    await store.close();
  }

  test('is verified after the start', async () => {
    await fill();
    const verified = await new Promise<{ bytes: number }>((resolve, reject) => {
      covered({ onVerified: resolve, onDamage: reject }).then(({ store }) => closing.push(store), reject);
    });
    expect(verified.bytes).toBeGreaterThan(10_000);
  });

  test('and is damaged: the process learns of it, and its next start replaces the store', async () => {
    await fill();
    await flip('"message":"m42"');
    const damage = await new Promise((resolve, reject) => {
      covered({ onDamage: resolve, onVerified: reject }).then(({ store, report }) => {
        expect(report.replaced).toBeNull();
        closing.push(store);
      }, reject);
    });
    expect(damage).toMatchObject({ code: 'damaged', message: expect.stringContaining('record 43') });
    await Promise.all(closing.splice(0).map((store) => store.close()));
    const { store, report } = await covered();
    expect(report.replaced).toMatchObject({ why: 'damaged', keptIndex: 42 });
    await store.close();
  });
});

/** The commands `inspect` and `begin` as processes, on a real folder. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { openLogStore } from '#storage/open';
import { RecordSource } from '#tests/contract/log-records';
import { readAll } from '#tests/contract/log-store';

const ROOT = join(__dirname, '..', '..', '..', '..');

let parent: string;
let dataDir: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'rlog-inspect-'));
  dataDir = join(parent, 'log');
});
afterEach(() => rm(parent, { recursive: true }));

function start(command: 'inspect' | 'begin', args: readonly string[]) {
  const main = join(ROOT, 'services', command, 'main.ts');
  return spawn(process.execPath, ['--import', 'tsx', main, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function run(command: 'inspect' | 'begin', ...args: string[]) {
  const child = start(command, args);
  const closed = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = (await closed) as [number];
  return { code, stdout, stderr };
}

const open = async () => (await openLogStore({ kind: 'disk', dataDir, logName: 'rlog', logId: null })).store;

/** A store with `count` entries, still open, and their lines. */
async function written(count: number) {
  const store = await open();
  const source = new RecordSource();
  await store.append([source.epochRecord(), source.membersRecord(['a', 'b']), ...source.entries(count)]);
  const entries = (await readAll(store)).filter(({ control }) => control === null);
  return { store, lines: entries.map(({ bytes }) => Buffer.from(bytes).toString()) };
}

/** Every file in the folder and the hash of its bytes. */
async function hashes(): Promise<string[]> {
  const files = (await readdir(dataDir, { recursive: true, withFileTypes: true })).filter(
    // The lock is overwritten by its holder, as its heartbeat.
    (each) => each.isFile() && each.name !== 'lock',
  );
  const paths = files.map((each) => join(each.parentPath, each.name)).sort();
  return Promise.all(
    paths.map(
      async (path) =>
        `${path} ${createHash('sha256')
          .update(await readFile(path))
          .digest('hex')}`,
    ),
  );
}

test('the folder of a running node is told without a byte of it changed', async () => {
  const { store } = await written(100);
  const before = await hashes();
  const { code, stdout, stderr } = await run('inspect', dataDir);
  expect(await hashes()).toEqual(before);
  expect([code, stderr]).toEqual([0, '']);
  for (const fact of [
    /^in use +by process \d+/m,
    /^log +0000000000000001$/m,
    /^log name +rlog$/m,
    new RegExp(`^store +${store.storeId}$`, 'm'),
    /^records +102, the last one at index 102$/m,
    /^entries +seq 1 to 100$/m,
    /^members +a, b$/m,
    /^epoch 1 +0000000000000001 from index 1, seq 1 to 100$/m,
  ])
    expect(stdout).toMatch(fact);
  await store.close();
});

test('a damaged folder is told up to the damage, and stays as it is', async () => {
  await (await written(100)).store.close();
  const path = join(dataDir, '0000000000000001.log');
  const bytes = await readFile(path);
  const at = bytes.indexOf('"message 42"');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
  await mkdir(join(dataDir, 'damaged-17'));
  const before = await hashes();
  const { code, stdout, stderr } = await run('inspect', dataDir, '--json');
  expect(await hashes()).toEqual(before);
  expect([code, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toMatchObject({
    records: 43,
    lastSeq: 41,
    damages: [{ file: '0000000000000001.log', record: 44, what: 'its bytes do not match their checksum' }],
    setAside: ['damaged-17'],
  });
});

test('--entries prints the entries and nothing else on stdout', async () => {
  const { store, lines } = await written(3_000);
  await store.close();
  const { code, stdout, stderr } = await run('inspect', dataDir, '--entries');
  expect(code).toBe(0);
  expect(stdout).toBe(`${lines.join('\n')}\n`);
  expect(stderr).toMatch(/^entries +seq 1 to 3000$/m);
});

test('a reader that leaves ends it quietly', async () => {
  await (await written(50_000)).store.close();
  const child = start('inspect', [dataDir, '--entries']);
  const closed = once(child, 'close');
  const stderr = text(child.stderr);
  await once(child.stdout, 'data');
  child.stdout.destroy();
  expect(await closed).toEqual([0, null]);
  expect(await stderr).toBe('');
});

test('wrong use, help, and a folder without a store', async () => {
  expect(await run('inspect', dataDir, '--bogus')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/--bogus[\s\S]*npm run/),
  });
  expect(await run('inspect')).toMatchObject({ code: 2, stderr: expect.stringContaining('Exactly one folder') });
  expect(await run('inspect', '--help')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('--entries'),
    stderr: '',
  });
  expect(await run('inspect', dataDir)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('no store'),
  });
  expect(await readdir(parent)).toEqual([]);
}, 30_000);

test('begin permits a folder without a log, and refuses one with a log', async () => {
  expect(await run('begin', dataDir)).toMatchObject({ code: 0, stdout: expect.stringContaining('lost with the disk') });
  const { store } = await written(1);
  expect(store.mayBegin).toBe(true);
  await store.consumePermission();
  await store.close();
  const before = await hashes();
  expect(await run('begin', dataDir)).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('already holds'),
  });
  expect(await hashes()).toEqual(before);
  expect(await run('begin', dataDir, '--bogus')).toMatchObject({ code: 2, stdout: '' });
  expect(await run('begin')).toMatchObject({ code: 2, stdout: '' });
  expect(await run('begin', '--help')).toMatchObject({ code: 0, stderr: '' });
}, 30_000);

import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLogStore } from '#storage/open';
import { LaunchError } from '#tools/broker/launch-error';
import { keepLogId, prepareLog } from '#tools/cluster/kept-log';

const ID = '60c249b35917a53d';
let dataDir: string;
let folders: string[];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rlog-kept-'));
  folders = ['master', 'secondary-1'].map((name) => join(dataDir, name));
});
afterEach(() => rm(dataDir, { recursive: true }));

async function makeStore(folder = join(dataDir, 'secondary-1')): Promise<void> {
  const { store } = await openLogStore({ kind: 'disk', dataDir: folder, logName: 'rlog', logId: null });
  await store.close();
}

it('the first start permits the master to begin a log, and so does the next one until there is a store', async () => {
  for (let start = 1; start <= 2; start += 1) {
    expect(await prepareLog(dataDir, folders)).toEqual({ id: null, isGone: false });
    expect(await readdir(join(dataDir, 'master'))).toHaveLength(1);
  }
});

it('no birth is permitted while any folder holds a store', async () => {
  await makeStore();
  expect(await prepareLog(dataDir, folders)).toEqual({ id: null, isGone: false });
  expect(existsSync(join(dataDir, 'master'))).toBe(false);
});

it('the id is found by the next start, and replaced by a later one', async () => {
  await makeStore();
  for (const id of [ID, '0123456789abcdef']) {
    await keepLogId(dataDir, id);
    expect(await prepareLog(dataDir, folders)).toEqual({ id, isGone: false });
  }
});

it('with all folders lost nothing begins beside the log that was kept', async () => {
  await keepLogId(dataDir, ID);
  expect(await prepareLog(dataDir, folders)).toEqual({ id: ID, isGone: true });
  expect(existsSync(join(dataDir, 'master'))).toBe(false);
});

it('a damaged file is no reason to forget the log: the start is refused, and says how to write it anew', async () => {
  await keepLogId(dataDir, ID);
  await writeFile(join(dataDir, 'log-id'), '"60c2"\n');
  const refused = prepareLog(dataDir, folders);
  await expect(refused).rejects.toThrow(LaunchError);
  await expect(refused).rejects.toThrow(`rm ${join(dataDir, 'log-id')}; LOG_ID=… npm start`);
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLogStore } from '#storage/open';
import { writeBeginPermission } from '#storage/write-begin-permission';
import { LaunchError } from '#tools/cluster/launch-error';
import { holdsStore, keepLogId, readKeptLogId } from '#tools/cluster/log-plan';

let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rlog-kept-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

it('the id is found by the next start, and replaced by a later one', async () => {
  expect(await readKeptLogId(dataDir)).toBeNull();
  await keepLogId(dataDir, '60c249b35917a53d');
  expect(await readKeptLogId(dataDir)).toBe('60c249b35917a53d');
  await keepLogId(dataDir, '0123456789abcdef');
  expect(await readKeptLogId(dataDir)).toBe('0123456789abcdef');
});

it('a damaged file is no reason to forget the log: the start is refused, and says how to write it anew', async () => {
  await keepLogId(dataDir, '60c249b35917a53d');
  await writeFile(join(dataDir, 'log-id'), '"60c2"\n');
  const refused = readKeptLogId(dataDir);
  await expect(refused).rejects.toThrow(LaunchError);
  await expect(refused).rejects.toThrow(`rm ${join(dataDir, 'log-id')}; LOG_ID=… npm start`);
});

it('a folder holds a store once a node has opened it, and not by a permission', async () => {
  const folder = join(dataDir, 'master');
  expect(await holdsStore(folder)).toBe(false);
  await mkdir(folder);
  await writeBeginPermission(folder);
  expect(await holdsStore(folder)).toBe(false);
  const { store } = await openLogStore({ kind: 'disk', dataDir: folder, logName: 'rlog', logId: null });
  await store.close();
  expect(await holdsStore(folder)).toBe(true);
});

import fs from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLogStore } from '#storage/open';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'store-open-'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(directory, { recursive: true });
});

const open = (dataDir: string) => openLogStore({ kind: 'disk', dataDir, logName: 'rlog', logId: null });
const HINT = /DATA_DIR must be a folder that .+ can read and write/;

test('a data folder that is a file, or below one, is refused with what to do', async () => {
  const file = join(directory, 'file');
  await writeFile(file, 'text');
  for (const dataDir of [file, join(file, 'below')])
    await expect(open(dataDir)).rejects.toMatchObject({ exitCode: 74, message: expect.stringMatching(HINT) });
});

test.each(['EROFS', 'EACCES'])('a data folder that cannot be written (%s) is refused with what to do', async (code) => {
  const refusal = Object.assign(new Error(`${code}: mkdir`), { code });
  jest.spyOn(fs.promises, 'mkdir').mockRejectedValue(refusal);
  await expect(open(directory)).rejects.toMatchObject({ exitCode: 74, message: expect.stringMatching(HINT) });
});

test.each([
  ['ENOSPC', 'no room on the disk, or no inode'],
  ['EDQUOT', 'the quota of the disk is used up'],
  ['EMFILE', 'no file descriptor is free'],
])('a start that has no room (%s) says of what', async (code, why) => {
  jest.spyOn(fs.promises, 'mkdir').mockRejectedValue(Object.assign(new Error(code), { code }));
  await expect(open(directory)).rejects.toMatchObject({ code: 'full', message: expect.stringContaining(why) });
});

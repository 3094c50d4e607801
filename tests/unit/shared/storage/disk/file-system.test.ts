import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { nodeFileSystem } from '#storage/disk/file-system';

const refusal = (code: string) => Object.assign(new Error(`${code}: fsync`), { code });

/** Folders open as they do, and their fsync fails so. */
function refuseSyncs(code: string): void {
  const open = fs.promises.open;
  jest.spyOn(fs.promises, 'open').mockImplementation(async (...args) => {
    const handle = await open(...args);
    handle.sync = () => Promise.reject(refusal(code));
    return handle;
  });
}

afterEach(() => jest.restoreAllMocks());

test.each(['EINVAL', 'EPERM', 'EISDIR', 'ENOTSUP', 'ENOSYS'])(
  'a file system that syncs no folders (%s) is taken as it is',
  async (code) => {
    refuseSyncs(code);
    await expect(nodeFileSystem.syncDirectory(tmpdir())).resolves.toBeUndefined();
  },
);

test.each(['EIO', 'ENOSPC', 'EDQUOT'])('the sync of a folder that fails (%s) is an error', async (code) => {
  refuseSyncs(code);
  await expect(nodeFileSystem.syncDirectory(tmpdir())).rejects.toMatchObject({ code });
});

test('a system that opens no folders is taken as it is; a missing descriptor or folder is an error', async () => {
  const open = jest.spyOn(fs.promises, 'open').mockRejectedValueOnce(refusal('EISDIR'));
  await expect(nodeFileSystem.syncDirectory(tmpdir())).resolves.toBeUndefined();
  open.mockRejectedValueOnce(refusal('EMFILE'));
  await expect(nodeFileSystem.syncDirectory(tmpdir())).rejects.toMatchObject({ code: 'EMFILE' });
  open.mockRestore();
  await expect(nodeFileSystem.syncDirectory(`${tmpdir()}/not-there`)).rejects.toMatchObject({ code: 'ENOENT' });
});

/**
 * Defines the few file operations that the disk store uses, as a port, and implements them with
 * Node's fs. A test double can stop at each operation, forget what was not synced and tear a write
 * in progress (tests/support of the crash tests). This file makes no decisions.
 *
 * Positions are always explicit, so there is no hidden file offset. A write either writes all its
 * bytes or rejects, possibly with a part of them written; the caller knows its last good end and
 * truncates back to it. Every operation rejects with the system error of the operating system.
 */
import fs from 'node:fs';
import { dirname, resolve } from 'node:path';

/** An open file. Sizes and positions are in bytes from the start of the file. */
export interface OpenFile {
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Fills `into` as far as the file goes; resolves with the number of bytes read. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Like `read`, for a look-up that has to answer synchronously. */
  readSync(into: Uint8Array, position: number): number;
  /** fdatasync(2): the bytes, and the file size needed to read them, survive a power loss. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/**
 * An open folder. It is opened before names in it are changed, so that no descriptor is needed when
 * the change is to be made durable.
 */
export interface OpenDirectory {
  /**
   * Makes creations, renames and removals in the folder durable, as far as its file system can.
   */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The operations on names. `nodeFileSystem` is the real implementation. */
export interface FileSystem {
  /** Makes the folder and its missing parents, durably. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a folder, in no particular order. */
  list(path: string): Promise<readonly string[]>;
  /**
   * `create` truncates a file that exists; `read` and `write` reject with ENOENT when there is
   * none.
   */
  open(path: string, mode: 'create' | 'read' | 'write'): Promise<OpenFile>;
  /** The content of the whole file; null when it does not exist. */
  readAll(path: string): Promise<Buffer | null>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  openDirectory(path: string): Promise<OpenDirectory>;
  /** Opens the folder, syncs it and closes it. */
  syncDirectory(path: string): Promise<void>;
}

const FLAGS = { create: 'w+', read: 'r', write: 'r+' } as const;

/**
 * Writes of at most this size are made synchronously. They only reach the kernel's page cache,
 * which takes a few microseconds; the round trip to a thread of libuv's pool costs thirty. A sync,
 * which waits for the disk, is never synchronous.
 */
const SMALL_WRITE_BYTES = 64 * 1024;

/**
 * Uses raw descriptors and callbacks: `FileHandle` costs several times as much for a small write.
 */
class NodeFile implements OpenFile {
  constructor(protected readonly fd: number) {}

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (bytes.length <= SMALL_WRITE_BYTES) return this.writeSync(bytes, position);
    for (let done = 0; done < bytes.length; ) {
      const from = done;
      done += await call<number>((cb) => fs.write(this.fd, bytes, from, bytes.length - from, position + from, cb));
    }
  }

  private writeSync(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; )
      done += fs.writeSync(this.fd, bytes, done, bytes.length - done, position + done);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const from = done;
      const count = await call<number>((cb) =>
        fs.read(this.fd, into, from, into.length - from, position + from, (error, n) => cb(error, n)),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  readSync(into: Uint8Array, position: number): number {
    let done = 0;
    while (done < into.length) {
      const count = fs.readSync(this.fd, into, done, into.length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  sync(): Promise<void> {
    return call<void>((cb) => fs.fdatasync(this.fd, (error) => cb(error, undefined)));
  }

  truncate(size: number): Promise<void> {
    return call<void>((cb) => fs.ftruncate(this.fd, size, (error) => cb(error, undefined)));
  }

  async size(): Promise<number> {
    return (await call<fs.Stats>((cb) => fs.fstat(this.fd, cb))).size;
  }

  close(): Promise<void> {
    return call<void>((cb) => fs.close(this.fd, (error) => cb(error ?? null, undefined)));
  }
}

/**
 * A file that is only read. Opening and closing it takes a few microseconds in place, and a round
 * trip to the thread pool thirty; a reader of the log pays both for each chunk.
 */
class ReadFile extends NodeFile {
  override async close(): Promise<void> {
    fs.closeSync(this.fd);
  }
}

/**
 * Codes with which fsync(2) of a folder, or its opening, is refused by file systems that know no
 * such thing: CIFS, some FUSE and shared folders, NetBSD. PostgreSQL (fd.c) passes over four of
 * them: EBADF and EINVAL of the sync, EISDIR and EACCES of the opening.
 */
const UNSYNCABLE = new Set([
  'EINVAL',
  'EPERM',
  'EACCES',
  'EISDIR',
  'EBADF',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'ENOTTY',
]);

const NO_DIRECTORY: OpenDirectory = { sync: async () => undefined, close: async () => undefined };

class NodeDirectory implements OpenDirectory {
  constructor(private readonly handle: fs.promises.FileHandle) {}

  async sync(): Promise<void> {
    try {
      await this.handle.sync();
    } catch (error) {
      if (!UNSYNCABLE.has(errorCode(error))) throw error;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** The file system of the machine, through node:fs. Files are created with mode 0640. */
export const nodeFileSystem: FileSystem = {
  async makeDirectory(path) {
    const first = await fs.promises.mkdir(path, { recursive: true });
    if (first === undefined) return;
    for (let at = resolve(path); at.length >= resolve(first).length; at = dirname(at)) {
      await nodeFileSystem.syncDirectory(dirname(at));
    }
  },

  list: (path) => fs.promises.readdir(path),

  async open(path, mode) {
    if (mode === 'read') return new ReadFile(fs.openSync(path, FLAGS.read));
    return new NodeFile(await call<number>((cb) => fs.open(path, FLAGS[mode], 0o640, cb)));
  },

  async readAll(path) {
    try {
      return await fs.promises.readFile(path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  },

  rename: (from, to) => fs.promises.rename(from, to),

  remove: (path) => fs.promises.unlink(path),

  /**
   * Opens nothing on Windows, which can neither open a folder nor needs to: NTFS journals its
   * renames.
   */
  async openDirectory(path) {
    if (process.platform === 'win32') return NO_DIRECTORY;
    try {
      return new NodeDirectory(await fs.promises.open(path, 'r'));
    } catch (error) {
      if (UNSYNCABLE.has(errorCode(error))) return NO_DIRECTORY;
      throw error;
    }
  },

  async syncDirectory(path) {
    const directory = await nodeFileSystem.openDirectory(path);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};

/** The system's name of an error, such as `ENOSPC`; '' when the error has none. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

type Callback<T> = (error: Error | null, value: T) => void;

function call<T>(start: (callback: Callback<T>) => void): Promise<T> {
  return new Promise((done, fail) => {
    start((error, value) => {
      if (error) fail(error);
      else done(value);
    });
  });
}

/**
 * A disk of a test's own that can be full: a tmpfs of a few MiB, mounted for the test, and a file
 * that takes what room there is.
 *
 * It needs Linux, root and the right to mount, which containers often do not give; `whyNoSmallDisk`
 * says what is missing. A limit of the process (RLIMIT_FSIZE) was rejected: it ends in EFBIG, not
 * in ENOSPC, and never passes.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PIECE_BYTES = 64 * 1024;
/** The last page, too. */
const LEAST_BYTES = 1;

export class SmallDisk {
  private static readonly mounted = new Set<SmallDisk>();
  private readonly filler: string;

  private constructor(private readonly mountPoint: string) {
    this.filler = join(mountPoint, 'filler');
  }

  static mount(mountPoint: string, sizeBytes: number): SmallDisk {
    mkdirSync(mountPoint, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', mountPoint], { stdio: 'pipe' });
    const disk = new SmallDisk(mountPoint);
    SmallDisk.mounted.add(disk);
    return disk;
  }

  /** For `afterEach`: also those of a test that failed. */
  static unmountAll(): void {
    for (const disk of SmallDisk.mounted) disk.unmount();
  }

  /** For a node's DATA_DIR. */
  get dataDir(): string {
    return join(this.mountPoint, 'data');
  }

  /** From now on there is no room for anything. */
  fill(): void {
    const file = openSync(this.filler, 'a');
    for (let bytes = PIECE_BYTES; bytes >= LEAST_BYTES; ) {
      if (!hasRoomFor(file, bytes)) bytes = Math.floor(bytes / 2);
    }
    closeSync(file);
  }

  /** From now on there is room for so many bytes, and for no more. */
  leave(bytes: number): void {
    const { bavail, bsize } = statfsSync(this.mountPoint);
    writeFileSync(this.filler, Buffer.alloc(Math.max(bavail * bsize - bytes, 0)));
  }

  makeRoom(): void {
    rmSync(this.filler);
  }

  /** Lazily, for a process that is just ending may still have a file open. */
  unmount(): void {
    SmallDisk.mounted.delete(this);
    execFileSync('umount', ['-l', this.mountPoint], { stdio: 'pipe' });
  }
}

/** Why this machine cannot mount one; null: it can. */
export function whyNoSmallDisk(): string | null {
  if (process.platform !== 'linux') return `tmpfs is Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'to mount a tmpfs one must be root';
  const mountPoint = mkdtempSync(join(tmpdir(), 'rlog-mount-'));
  try {
    SmallDisk.mount(mountPoint, PIECE_BYTES).unmount();
    return null;
  } catch (error) {
    return `a tmpfs cannot be mounted: ${String(error).trim()}`;
  } finally {
    rmdirSync(mountPoint);
  }
}

function hasRoomFor(file: number, bytes: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(bytes)) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

/**
 * Keeps the synced marker: a file that says up to where the log is known to be synced. It tells a
 * damaged last record from a torn one (tail-verdict.ts). It is never above the truth, often exact,
 * and may lag:
 *
 * - `advance` after each synced group overwrites one of two slots without a sync, and no caller
 *   waits for it. After a kill it is exact, because the kernel still has it; a power loss may bring
 *   back an older one.
 * - `lower`, before a truncation, syncs both slots one after the other, so that no older and higher
 *   value can come back.
 *
 * A slot is 32 bytes at the start of a sector: u48 counter, index, first index of the segment,
 * offset in it; u32 running CRC, CRC-32. The good slot with the higher counter is valid. When
 * neither slot is good the marker is lost, and nothing is known to be synced.
 */
import { crc32 } from 'node:zlib';
import type { FileSystem, OpenFile } from '../file-system';
import { readUInt48, writeUInt48 } from './frame';

/** A position up to which the log is synced. */
export interface SyncedUpTo {
  /** Last synced record; 0 for none. */
  readonly index: number;
  /** First index of the segment that holds it; 0 for none. */
  readonly segment: number;
  /** Offset where its frame ends in that segment, in bytes. */
  readonly offset: number;
  /** Running CRC-32 up to it. */
  readonly running: number;
}

/** The marker of an empty log. */
export const NOTHING_SYNCED: SyncedUpTo = { index: 0, segment: 0, offset: 0, running: 0 };

const SLOT_BYTES = 32;
const CRC_AT = 28;
const SLOT_OFFSETS = [0, 512] as const;

/** An open marker file. */
export class SyncMarker {
  private counter: number;
  private next: SyncedUpTo | null = null;
  private writing: Promise<void> | null = null;
  /**
   * The error of the last `advance` that failed. It costs only certainty about a torn tail, so it
   * stops nothing.
   */
  fault: unknown = null;

  private constructor(
    private readonly file: OpenFile,
    /** The value at open; null when the marker was lost or is new. */
    readonly found: SyncedUpTo | null,
    counter: number,
  ) {
    this.counter = counter;
  }

  /**
   * Opens the marker at `path`, or makes a new one that says that nothing is synced; the caller
   * syncs the folder. Rejects with the system error of a file operation.
   */
  static async open(fileSystem: FileSystem, path: string): Promise<SyncMarker> {
    const bytes = await fileSystem.readAll(path);
    if (bytes === null) {
      const marker = new SyncMarker(await fileSystem.open(path, 'create'), null, 0);
      await marker.lower(NOTHING_SYNCED);
      return marker;
    }
    const newest = newestSlot(bytes);
    return new SyncMarker(await fileSystem.open(path, 'write'), newest?.value ?? null, newest?.counter ?? 0);
  }

  /**
   * Records that the log is synced up to here. A newer value replaces one that waits to be written.
   */
  advance(value: SyncedUpTo): void {
    this.next = value;
    this.writing ??= this.writeAll();
  }

  /**
   * Records that the log is going to end here. Resolves when no power loss can bring back a higher
   * marker.
   */
  async lower(value: SyncedUpTo): Promise<void> {
    await this.writing;
    for (const _ of SLOT_OFFSETS) {
      await this.writeSlot(value);
      await this.file.sync();
    }
  }

  async close(): Promise<void> {
    await this.writing;
    try {
      if (this.fault === null) await this.file.sync();
    } finally {
      await this.file.close();
    }
  }

  private async writeAll(): Promise<void> {
    try {
      while (this.next !== null) {
        const value = this.next;
        this.next = null;
        await this.writeSlot(value);
      }
    } catch (error) {
      this.fault = error;
    } finally {
      this.writing = null;
    }
  }

  private async writeSlot(value: SyncedUpTo): Promise<void> {
    this.counter += 1;
    await this.file.write(encodeSlot(this.counter, value), SLOT_OFFSETS[this.counter % 2] ?? 0);
  }
}

/**
 * Reads the marker at `path` without opening it for writing; resolves with null when it is lost or
 * was never made.
 */
export async function readSynced(fileSystem: FileSystem, path: string): Promise<SyncedUpTo | null> {
  const bytes = await fileSystem.readAll(path);
  return bytes === null ? null : (newestSlot(bytes)?.value ?? null);
}

interface Slot {
  readonly counter: number;
  readonly value: SyncedUpTo;
}

/** The good slot with the higher counter; null when no slot is good. */
function newestSlot(bytes: Buffer): Slot | null {
  const slots = SLOT_OFFSETS.map((at) => decodeSlot(bytes.subarray(at, at + SLOT_BYTES)));
  return slots.reduce((best, slot) => ((slot?.counter ?? -1) > (best?.counter ?? -1) ? slot : best), null);
}

function encodeSlot(counter: number, { index, segment, offset, running }: SyncedUpTo): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  [counter, index, segment, offset].forEach((value, at) => {
    writeUInt48(slot, at * 6, value);
  });
  slot.writeUInt32LE(running, 24);
  slot.writeUInt32LE(crc32(slot.subarray(0, CRC_AT)), CRC_AT);
  return slot;
}

function decodeSlot(slot: Buffer): Slot | null {
  if (slot.length < SLOT_BYTES || crc32(slot.subarray(0, CRC_AT)) !== slot.readUInt32LE(CRC_AT)) return null;
  const [counter = 0, index = 0, segment = 0, offset = 0] = [0, 6, 12, 18].map((at) => readUInt48(slot, at));
  return { counter, value: { index, segment, offset, running: slot.readUInt32LE(24) } };
}

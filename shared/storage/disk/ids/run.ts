/**
 * Reads one run of the id index: a sorted, immutable file with the hash and the index of every
 * client-chosen id of a range of the log (an SSTable). The file is named `<from>-<to>.ids` after
 * the range that it answers for. A truncation shortens the range by renaming the file; places
 * beyond it are ignored.
 *
 *     blocks    4096 bytes each: up to 227 × (48 + 48 bits of hash, u48 index), big-endian,
 *               ascending; zeros; u32 CRC-32 at 4092
 *     filter    see filter.ts
 *     trailer   64 bytes: "RLOGIDS1", store id, u48 from, u48 to, u48 number of ids, u48 bytes of
 *               the filter, u32 level, u32 CRC-32 of the filter, zeros; u32 CRC-32 at 60
 *
 * In memory: the first hash of each block (8 bytes for 227 ids) and the filter, so a look-up reads
 * at most one block in nearly all cases.
 */
import { crc32 } from 'node:zlib';
import { damagedFault } from '#storage/storage-fault';
import type { OpenFile } from '../file-system';
import { IdFilter } from './filter';
import { ID_HASH_BYTES, type IdHash } from './hash';

/** Bytes of a block: one page. */
export const BLOCK_BYTES = 4096;
/** Bytes of a place in a block: the hash and a u48 index. */
export const ENTRY_BYTES = ID_HASH_BYTES + 6;
/** Places in a full block: 227. */
export const ENTRIES_PER_BLOCK = Math.floor((BLOCK_BYTES - 4) / ENTRY_BYTES);
/** Offset of the CRC-32 in a block. */
export const BLOCK_CRC_AT = BLOCK_BYTES - 4;
const TRAILER_BYTES = 64;
const TRAILER_CRC_AT = TRAILER_BYTES - 4;
const MAGIC = 'RLOGIDS1';
const NAME = /^([0-9]{16})-([0-9]{16})\.ids$/;

/**
 * Runs with more ids keep no filter in memory, which bounds the memory of all filters. There are
 * few such runs, and each costs one read for a look-up.
 */
const FILTER_IDS_MAX = 10_000_000;

/** The range of indexes that a run answers for, both ends inclusive. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

interface RunTrailer extends Stretch {
  readonly storeId: string;
  readonly count: number;
  readonly filterBytes: number;
  readonly filterCrc: number;
  /** How many times its ids have been merged. */
  readonly level: number;
}

/** File name of the run of this range. */
export function runName({ from, to }: Stretch): string {
  return `${String(from).padStart(16, '0')}-${String(to).padStart(16, '0')}.ids`;
}

/** The range in a run's file name; null when the name is not that of a run. */
export function stretchOf(name: string): Stretch | null {
  const match = NAME.exec(name);
  return match === null ? null : { from: Number(match[1]), to: Number(match[2]) };
}

/** Encodes the trailer, `TRAILER_BYTES` long, with its CRC. */
export function encodeTrailer(trailer: RunTrailer): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.write(MAGIC, 0, 'latin1');
  bytes.write(trailer.storeId, 8, 16, 'latin1');
  [trailer.from, trailer.to, trailer.count, trailer.filterBytes].forEach((value, at) => {
    bytes.writeUIntBE(value, 24 + at * 6, 6);
  });
  bytes.writeUInt32BE(trailer.level, 48);
  bytes.writeUInt32BE(trailer.filterCrc, 52);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, TRAILER_CRC_AT)), TRAILER_CRC_AT);
  return bytes;
}

function decodeTrailer(bytes: Buffer): RunTrailer | null {
  if (bytes.length < TRAILER_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC) return null;
  if (crc32(bytes.subarray(0, TRAILER_CRC_AT)) !== bytes.readUInt32BE(TRAILER_CRC_AT)) return null;
  const [from = 0, to = 0, count = 0, filterBytes = 0] = [24, 30, 36, 42].map((at) => bytes.readUIntBE(at, 6));
  const storeId = bytes.toString('latin1', 8, 24);
  return { storeId, from, to, count, filterBytes, level: bytes.readUInt32BE(48), filterCrc: bytes.readUInt32BE(52) };
}

/** An open run. `close` must be called once. */
export class IdRun {
  /**
   * Last index that the run answers for; below `from` when it answers for none. It is below
   * `savedTo` until a truncation is saved.
   */
  visibleTo: number;

  constructor(
    private readonly file: OpenFile,
    readonly trailer: RunTrailer,
    /** First hash's high half of each block. */
    private readonly fences: Float64Array,
    private readonly filter: IdFilter | null,
    /** As the file is named now. */
    public name: string,
  ) {
    this.visibleTo = this.savedTo;
  }

  /**
   * End of the range in the file's name: the last index that the run will answer for after a crash.
   */
  get savedTo(): number {
    return stretchOf(this.name)?.to ?? this.trailer.to;
  }

  get from(): number {
    return this.trailer.from;
  }

  get blockCount(): number {
    return this.fences.length;
  }

  /**
   * Checks the whole file. Resolves with null, and closes the file, when it is not an intact run of
   * this store.
   */
  static async open(file: OpenFile, name: string, storeId: string): Promise<IdRun | null> {
    const run = await IdRun.check(file, name, storeId);
    if (run === null) await file.close();
    return run;
  }

  /**
   * Index of the entry with this hash, up to `visibleTo`; null when there is none. Throws a
   * `StorageError` `damaged` when a block does not match its CRC.
   */
  find(hash: IdHash): number | null {
    if (this.filter !== null && !this.filter.mayHold(hash)) return null;
    let found: number | null = null;
    for (let at = this.firstBlockFor(hash); at < this.fences.length; at += 1) {
      if ((this.fences[at] ?? 0) > hash.high) break;
      const block = Buffer.allocUnsafe(BLOCK_BYTES);
      this.file.readSync(block, at * BLOCK_BYTES);
      if (!isBlockGood(block)) throw damagedFault(`${this.name}: block ${at} of the id index is damaged`);
      found = this.findInBlock(block, this.entriesIn(at), hash) ?? found;
    }
    return found;
  }

  /**
   * Reads blocks from block `at` on, as many as fit into `into`; resolves with the number of places
   * in them. Rejects with a `StorageError` `damaged`.
   */
  async readBlocks(at: number, into: Buffer): Promise<number> {
    const blocks = Math.min(this.fences.length - at, Math.floor(into.length / BLOCK_BYTES));
    await this.file.read(into.subarray(0, blocks * BLOCK_BYTES), at * BLOCK_BYTES);
    let entries = 0;
    for (let each = 0; each < blocks; each += 1) {
      if (!isBlockGood(into.subarray(each * BLOCK_BYTES, (each + 1) * BLOCK_BYTES))) {
        throw damagedFault(`${this.name}: block ${at + each} of the id index is damaged`);
      }
      entries += this.entriesIn(at + each);
    }
    return entries;
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private static async check(file: OpenFile, name: string, storeId: string): Promise<IdRun | null> {
    const size = await file.size();
    const bytes = Buffer.alloc(TRAILER_BYTES);
    await file.read(bytes, Math.max(size - TRAILER_BYTES, 0));
    const trailer = decodeTrailer(bytes);
    const stretch = stretchOf(name);
    if (trailer === null || stretch === null || trailer.storeId !== storeId) return null;
    if (stretch.from !== trailer.from || stretch.to > trailer.to) return null;
    const blocks = Math.ceil(trailer.count / ENTRIES_PER_BLOCK);
    if (size !== blocks * BLOCK_BYTES + trailer.filterBytes + TRAILER_BYTES) return null;
    const fences = await readFences(file, blocks);
    if (fences === null) return null;
    if (trailer.count > FILTER_IDS_MAX) return new IdRun(file, trailer, fences, null, name);
    const filter = Buffer.alloc(trailer.filterBytes);
    await file.read(filter, blocks * BLOCK_BYTES);
    return crc32(filter) === trailer.filterCrc ? new IdRun(file, trailer, fences, new IdFilter(filter), name) : null;
  }

  /** The last block whose first hash is lower, because equal hashes may begin in it. */
  private firstBlockFor({ high }: IdHash): number {
    let low = 0;
    let end = this.fences.length;
    while (low < end) {
      const middle = (low + end) >>> 1;
      if ((this.fences[middle] ?? 0) < high) low = middle + 1;
      else end = middle;
    }
    return Math.max(low - 1, 0);
  }

  private entriesIn(block: number): number {
    return Math.min(ENTRIES_PER_BLOCK, this.trailer.count - block * ENTRIES_PER_BLOCK);
  }

  private findInBlock(block: Buffer, entries: number, { high, low }: IdHash): number | null {
    let first = 0;
    let end = entries;
    while (first < end) {
      const middle = (first + end) >>> 1;
      if (block.readUIntBE(middle * ENTRY_BYTES, 6) < high) first = middle + 1;
      else end = middle;
    }
    let found: number | null = null;
    for (let at = first * ENTRY_BYTES; at < entries * ENTRY_BYTES; at += ENTRY_BYTES) {
      if (block.readUIntBE(at, 6) !== high) break;
      const index = block.readUIntBE(at + ID_HASH_BYTES, 6);
      if (block.readUIntBE(at + 6, 6) === low && index <= this.visibleTo) found = index;
    }
    return found;
  }
}

const CHECK_CHUNK_BLOCKS = 256;

async function readFences(file: OpenFile, blocks: number): Promise<Float64Array | null> {
  const fences = new Float64Array(blocks);
  const chunk = Buffer.alloc(CHECK_CHUNK_BLOCKS * BLOCK_BYTES);
  for (let at = 0; at < blocks; at += CHECK_CHUNK_BLOCKS) {
    const count = Math.min(CHECK_CHUNK_BLOCKS, blocks - at);
    await file.read(chunk.subarray(0, count * BLOCK_BYTES), at * BLOCK_BYTES);
    for (let each = 0; each < count; each += 1) {
      const block = chunk.subarray(each * BLOCK_BYTES, (each + 1) * BLOCK_BYTES);
      if (!isBlockGood(block)) return null;
      fences[at + each] = block.readUIntBE(0, 6);
    }
  }
  return fences;
}

function isBlockGood(block: Buffer): boolean {
  return crc32(block.subarray(0, BLOCK_CRC_AT)) === block.readUInt32BE(BLOCK_CRC_AT);
}

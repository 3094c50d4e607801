/**
 * Writes the run files of the id index: from ids in memory, or by merging adjacent runs. A run is
 * written under a temporary name, synced and renamed, and the folder is synced, so a file under a
 * run's name is always complete. No caller waits for this work, so it is cut into pieces of well
 * under a millisecond with a turn of the event loop between two.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { FileSystem, OpenFile } from '../file-system';
import { filterBytesFor, IdFilter } from './filter';
import { compareHashes, type IdHash } from './hash';
import {
  BLOCK_BYTES,
  BLOCK_CRC_AT,
  ENTRIES_PER_BLOCK,
  ENTRY_BYTES,
  encodeTrailer,
  IdRun,
  runName,
  type Stretch,
} from './run';

/** An id's hash and the index of its entry. */
export interface IdPlace extends IdHash {
  readonly index: number;
}

interface RunPlan extends Stretch {
  readonly storeId: string;
  readonly level: number;
  /** Upper bound of the number of ids that will be added; determines the size of the filter. */
  readonly idsMax: number;
}

/** File name of a run while it is being written. */
export const TEMPORARY_RUN = 'new.run';
const CHUNK_BLOCKS = 16;

/**
 * Writes one run from `places`, which come in ascending order of hash, and resolves with it open.
 * Rejects with the system error of a file operation; the temporary file is removed then.
 */
export async function writeRun(
  fileSystem: FileSystem,
  directory: string,
  plan: RunPlan,
  places: AsyncIterable<readonly IdPlace[]>,
): Promise<IdRun> {
  const temporary = join(directory, TEMPORARY_RUN);
  const file = await fileSystem.open(temporary, 'create');
  try {
    await writeContent(file, plan, places);
    await file.sync();
  } catch (error) {
    await fileSystem.remove(temporary);
    throw error;
  } finally {
    await file.close();
  }
  const name = runName(plan);
  await fileSystem.rename(temporary, join(directory, name));
  await fileSystem.syncDirectory(directory);
  const run = await IdRun.open(await fileSystem.open(join(directory, name), 'read'), name, plan.storeId);
  if (run === null) throw new Error(`${name} is not what was written`);
  return run;
}

async function writeContent(file: OpenFile, plan: RunPlan, places: AsyncIterable<readonly IdPlace[]>): Promise<void> {
  const filter = new IdFilter(new Uint8Array(filterBytesFor(plan.idsMax)));
  const blocks = new BlockWriter(file);
  for await (const some of places) {
    for (const place of some) {
      filter.add(place);
      blocks.add(place);
    }
    await blocks.flushFull();
  }
  const offset = await blocks.finish();
  const { storeId, from, to, level } = plan;
  const filterBytes = filter.bytes.length;
  const trailer = { storeId, from, to, level, count: blocks.count, filterBytes, filterCrc: crc32(filter.bytes) };
  await file.write(filter.bytes, offset);
  await file.write(encodeTrailer(trailer), offset + filterBytes);
}

class BlockWriter {
  count = 0;
  private block = Buffer.alloc(BLOCK_BYTES);
  private inBlock = 0;
  private full: Buffer[] = [];
  private offset = 0;

  constructor(private readonly file: OpenFile) {}

  add({ high, low, index }: IdPlace): void {
    const at = this.inBlock * ENTRY_BYTES;
    this.block.writeUIntBE(high, at, 6);
    this.block.writeUIntBE(low, at + 6, 6);
    this.block.writeUIntBE(index, at + 12, 6);
    this.inBlock += 1;
    this.count += 1;
    if (this.inBlock === ENTRIES_PER_BLOCK) this.closeBlock();
  }

  async flushFull(): Promise<void> {
    if (this.full.length < CHUNK_BLOCKS) return;
    await this.flush();
  }

  /** Closes the last block; resolves with the offset where the blocks end, in bytes. */
  async finish(): Promise<number> {
    if (this.inBlock > 0) this.closeBlock();
    await this.flush();
    return this.offset;
  }

  private closeBlock(): void {
    this.block.writeUInt32BE(crc32(this.block.subarray(0, BLOCK_CRC_AT)), BLOCK_CRC_AT);
    this.full.push(this.block);
    this.block = Buffer.alloc(BLOCK_BYTES);
    this.inBlock = 0;
  }

  private async flush(): Promise<void> {
    const bytes = Buffer.concat(this.full);
    this.full = [];
    await this.file.write(bytes, this.offset);
    this.offset += bytes.length;
  }
}

/** Sorts places that are in memory, in place, and yields them in pieces of 1024. */
export async function* sortedPlaces(places: IdPlace[]): AsyncGenerator<readonly IdPlace[]> {
  places.sort((a, b) => compareHashes(a, b) || a.index - b.index);
  for (let at = 0; at < places.length; at += PIECE) yield places.slice(at, at + PIECE);
}

const PIECE = 1024;

/**
 * Merges the places of several runs. Places above an unsaved truncation are included, because after
 * a crash they may be needed again.
 */
export async function* mergedPlaces(runs: readonly IdRun[]): AsyncGenerator<readonly IdPlace[]> {
  const cursors = runs.map((run) => new RunCursor(run));
  await Promise.all(cursors.map((cursor) => cursor.refill()));
  let piece: IdPlace[] = [];
  for (;;) {
    let least: RunCursor | null = null;
    for (const cursor of cursors) {
      if (cursor.next !== null && (least?.next == null || compareHashes(cursor.next, least.next) < 0)) least = cursor;
    }
    if (least?.next == null) break;
    if (least.next.index <= least.run.savedTo) piece.push(least.next);
    if (least.isAtEnd) await least.refill();
    else least.advance();
    if (piece.length >= PIECE) {
      yield piece;
      piece = [];
    }
  }
  yield piece;
}

/** Reads a run from start to end, 16 blocks in memory at a time. */
class RunCursor {
  next: IdPlace | null = null;
  private readonly buffer = Buffer.allocUnsafe(CHUNK_BLOCKS * BLOCK_BYTES);
  private nextBlock = 0;
  private at = 0;
  private entries = 0;

  constructor(readonly run: IdRun) {}

  get isAtEnd(): boolean {
    return this.at >= this.entries;
  }

  async refill(): Promise<void> {
    this.at = 0;
    this.entries = this.nextBlock < this.run.blockCount ? await this.run.readBlocks(this.nextBlock, this.buffer) : 0;
    this.nextBlock += CHUNK_BLOCKS;
    if (this.entries === 0) this.next = null;
    else this.advance();
  }

  advance(): void {
    const block = Math.floor(this.at / ENTRIES_PER_BLOCK);
    const offset = block * BLOCK_BYTES + (this.at % ENTRIES_PER_BLOCK) * ENTRY_BYTES;
    this.next = {
      high: this.buffer.readUIntBE(offset, 6),
      low: this.buffer.readUIntBE(offset + 6, 6),
      index: this.buffer.readUIntBE(offset + 12, 6),
    };
    this.at += 1;
  }
}

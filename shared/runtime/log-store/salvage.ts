/**
 * What becomes of a damaged store: it is set aside as it is, and a new store begins with its good prefix, the records up to the first one that
 * does not match its checksum. The rest comes from the other nodes.
 *
 * The new store has a new id: the old one may have acked what is lost now, so whoever counted on it must not count on this one
 * before it has caught up. The promise is kept where it can still be read; to promise more than needed harms nobody.
 *
 * A crash on the way leaves either a folder without a `store.json`, which is salvaged again, or a new store with a shorter prefix.
 */
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BATCH_BYTES_MAX } from '../../protocol/limits';
import type { Promised } from '../../protocol/promised';
import { decodeRecord, type LogRecord } from '../../protocol/record';
import type { FileSystem } from './file-system';
import type { Frame } from './frame';
import { type ScanPlace, scanFile } from './frame-scan';
import type { LogStore } from './log-store';
import { decodeSegmentHeader, firstIndexOf, SEGMENT_HEADER_BYTES } from './segment';
import { readSmallFile } from './small-file';

/** Damaged stores that are kept for whoever wants to know what happened. */
const KEPT_MAX = 2;
const FOLDER = /^damaged-[0-9]+$/;
const LOCK = /^lock(\.|$)/;

/** Moves a store's files out of `directory`, the manifest first. Returns the folder that has them. */
export async function setAside(directory: string, now: number): Promise<string> {
  const folder = join(directory, `damaged-${now}`);
  await mkdir(folder);
  const names = (await readdir(directory)).filter((name) => !FOLDER.test(name) && !LOCK.test(name));
  names.sort((a, b) => Number(b === 'store.json') - Number(a === 'store.json'));
  for (const name of names) await rename(join(directory, name), join(folder, name));
  const kept = (await readdir(directory)).filter((name) => FOLDER.test(name)).sort();
  for (const name of kept.slice(0, -KEPT_MAX)) await rm(join(directory, name), { recursive: true });
  return folder;
}

/** Copies the promise and the good records of a store that was set aside into a new one. Returns the last index that was good. */
export async function copyGoodPrefix(fileSystem: FileSystem, folder: string, into: LogStore): Promise<number> {
  const promised = await readPromise(fileSystem, folder);
  if (promised !== null) await into.savePromise(promised);
  const names = (await fileSystem.list(folder)).filter((name) => firstIndexOf(name) !== null).sort();
  let place: ScanPlace = { offset: SEGMENT_HEADER_BYTES, index: 0, running: 0 };
  for (const name of names) {
    const end = await copySegment(fileSystem, join(folder, name), place, into);
    if (end === null) break;
    place = { ...end, offset: SEGMENT_HEADER_BYTES };
    if (!end.isWhole) break;
  }
  return place.index;
}

async function readPromise(fileSystem: FileSystem, folder: string): Promise<Promised | null> {
  try {
    return (await readSmallFile(fileSystem, { directory: folder, name: 'promise.json' })) as Promised | null;
  } catch {
    return null;
  }
}

/** Null: the segment does not follow what was good before it. */
async function copySegment(
  fileSystem: FileSystem,
  path: string,
  from: ScanPlace,
  into: LogStore,
): Promise<(ScanPlace & { readonly isWhole: boolean }) | null> {
  const file = await fileSystem.open(path, 'read');
  try {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    await file.read(header, 0);
    const start = decodeSegmentHeader(header);
    if (start?.firstIndex !== from.index + 1 || start.running !== from.running) return null;
    const copy = new GroupCopy(into);
    const end = await scanFile(
      file,
      from,
      await file.size(),
      (frame) => copy.take(frame),
      () => copy.flush(),
    );
    return { ...end, isWhole: end.stop === 'end' };
  } finally {
    await file.close();
  }
}

/** Collects copies of the frames of one chunk, for the scan reuses its buffer, and appends them. */
class GroupCopy {
  private records: LogRecord[] = [];

  constructor(private readonly into: LogStore) {}

  take(frame: Frame): boolean {
    this.records.push(decodeRecord(frame.index, Buffer.from(frame.bytes)));
    return true;
  }

  async flush(): Promise<void> {
    const { records } = this;
    this.records = [];
    for (let from = 0; from < records.length; ) {
      let to = from;
      for (let bytes = 0; to < records.length && bytes < BATCH_BYTES_MAX; to += 1)
        bytes += records[to]?.bytes.length ?? 0;
      await this.into.append(records.slice(from, to));
      from = to;
    }
  }
}

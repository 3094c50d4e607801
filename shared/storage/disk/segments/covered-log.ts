/**
 * Describes the segments of a log for a checkpoint (../checkpoint.ts), and confirms at open that the
 * files are still the described ones: names, sizes, headers, which hold the running CRC of
 * everything before them, and the last frames. The frames before those are not read.
 */
import { join } from 'node:path';
import { errorCode, type FileSystem, type OpenFile } from '../file-system';
import { type ScanPlace, scanFile } from './frame-scan';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, Segment, startFault } from './segment';

/** A log up to a durable record, the last one of the last segment. */
export interface CoveredLog {
  /** Ascending; each with its last record and the offset of its end. */
  readonly segments: readonly (ScanPlace & { readonly firstIndex: number })[];
  /** A place in the last segment: the frames from there to its end are read at open. */
  readonly readFrom: ScanPlace;
}

/** The log in these segments, of which there is at least one. */
export function coveredLogOf(segments: readonly Segment[]): CoveredLog {
  const last = segments.at(-1);
  if (last === undefined) throw new Error('a log without a segment is not covered');
  return {
    segments: segments.map(({ firstIndex, lastIndex: index, end: offset, running }) => {
      return { firstIndex, index, offset, running };
    }),
    readFrom: last.placeBefore(last.lastIndex),
  };
}

/**
 * Resolves with the covered segments, each with its `unread` part, when the files are the ones that
 * were covered; null otherwise. `names` are the segment files in the folder, ascending. Rejects
 * with the system error of a file operation.
 */
export async function confirmedSegments(
  place: { readonly fileSystem: FileSystem; readonly directory: string; readonly storeId: string },
  names: readonly string[],
  { segments, readFrom }: CoveredLog,
): Promise<Segment[] | null> {
  const confirmed: Segment[] = [];
  let before = { lastIndex: 0, running: 0 };
  for (const [at, { firstIndex, ...end }] of segments.entries()) {
    const segment = new Segment({ firstIndex, running: before.running });
    const isLast = at === segments.length - 1;
    const expected = { ...before, storeId: place.storeId, end, readFrom: isLast ? readFrom : null };
    if (names[at] !== segment.name || !(await isSame(place, segment.name, expected))) return null;
    if (isLast) segment.notePoint(readFrom.index + 1, readFrom.offset, readFrom.running, 1);
    segment.endAt(end);
    segment.unread = end;
    confirmed.push(segment);
    before = segment;
  }
  return confirmed;
}

interface Expected {
  readonly storeId: string;
  readonly lastIndex: number;
  readonly running: number;
  readonly end: ScanPlace;
  /** Null for a segment that is followed by another one: nothing was ever appended to it again. */
  readonly readFrom: ScanPlace | null;
}

async function isSame(
  { fileSystem, directory }: { readonly fileSystem: FileSystem; readonly directory: string },
  name: string,
  expected: Expected,
): Promise<boolean> {
  let file: OpenFile;
  try {
    file = await fileSystem.open(join(directory, name), 'read');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    return await holds(file, expected);
  } finally {
    await file.close();
  }
}

async function holds(file: OpenFile, expected: Expected): Promise<boolean> {
  const { end, readFrom } = expected;
  const size = await file.size();
  if (size < end.offset || (readFrom === null && size > end.offset)) return false;
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  await file.read(header, 0);
  const start = decodeSegmentHeader(header);
  if (start === null || startFault(start, expected) !== null) return false;
  if (readFrom === null) return true;
  const { stop, index, running } = await scanFile(file, readFrom, end.offset, () => true);
  return stop === 'end' && index === end.index && running === end.running;
}

/**
 * Which entries the id index must know: those whose client chose the id. A generated id says by
 * itself where its entry is, so the many appends without an id cost no index at all. Both stores
 * use these two functions, so they agree on what an id of the generated form means.
 */
import { parseGeneratedId } from '#protocol/entry';
import type { LogOutline } from '#protocol/log/outline';
import type { LogRecord } from '#protocol/record';
import { FrameKind } from './disk/segments/frame';

/**
 * Takes the records into the outline and tells the kind of each. Throws, and takes none, when one
 * does not follow.
 */
export function takeRecords(outline: LogOutline, records: readonly LogRecord[]): number[] {
  const before = outline.lastIndex;
  const kinds: number[] = [];
  let prefix = '';
  let prefixEpoch = -1;
  try {
    for (const record of records) {
      outline.append(record);
      if (record.epoch !== prefixEpoch) {
        prefix = `${outline.reignAt(record.index)}-`;
        prefixEpoch = record.epoch;
      }
      kinds.push(kindOf(record, prefix));
    }
  } catch (error) {
    outline.truncateAfter(before);
    throw error;
  }
  return kinds;
}

function kindOf({ id, seq }: LogRecord, prefix: string): number {
  if (id === null) return FrameKind.control;
  // The reign of an epoch without its control record is unknown: its entries are indexed by
  // whatever id they have.
  return prefix.length > 1 && id === prefix + seq ? FrameKind.entry : FrameKind.namedEntry;
}

/**
 * The seq that a generated id computes to, when its reign wrote the entry at that seq; null: look
 * it up.
 */
export function seqOfGeneratedId(outline: LogOutline, id: string): number | null {
  const parsed = parseGeneratedId(id);
  if (parsed === null) return null;
  const index = outline.indexOf(parsed.seq);
  return index !== null && outline.reignAt(index) === parsed.reign ? parsed.seq : null;
}

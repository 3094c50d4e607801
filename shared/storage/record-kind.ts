/**
 * Decides which entries the id index must hold: those whose id was chosen by the client. A
 * generated id itself says where its entry is, so the many appends without an id need no index.
 * Both stores use these two functions, so they agree on the meaning of a generated id.
 */
import { parseGeneratedId } from '#protocol/entry';
import type { LogOutline } from '#protocol/log/outline';
import type { LogRecord } from '#protocol/record';
import { FrameKind } from './disk/segments/frame';

/**
 * Appends the records to the outline and returns the `FrameKind` of each. Throws when a record does
 * not follow; the outline is unchanged then.
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
  // The reign of an epoch without its control record is not known: all ids of its entries are
  // indexed.
  return prefix.length > 1 && id === prefix + seq ? FrameKind.entry : FrameKind.namedEntry;
}

/**
 * The seq in a generated id, when its reign wrote the entry at that seq; null when the id has to be
 * looked up in the index.
 */
export function seqOfGeneratedId(outline: LogOutline, id: string): number | null {
  const parsed = parseGeneratedId(id);
  if (parsed === null) return null;
  const index = outline.indexOf(parsed.seq);
  return index !== null && outline.reignAt(index) === parsed.reign ? parsed.seq : null;
}

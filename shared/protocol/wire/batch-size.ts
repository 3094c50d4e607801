/**
 * How large the message of a batch is: its records, two bytes around each, and a header of bounded
 * size. The records that fit into a message can so be chosen before it is encoded.
 */
import { IDENTITY_LENGTH_MAX } from '../identity';
import type { LogRecord } from '../record';

/** Bytes of a batch beside its records, at most: the log's identity, two reigns, some numbers. */
export const BATCH_HEADER_BYTES_MAX = IDENTITY_LENGTH_MAX + 1024;
/** Bytes around each record. */
const SEPARATOR_BYTES = 2;

/** Bytes of the message that carries a record of `recordBytes` bytes alone, at most. */
export function messageBytesOf(recordBytes: number): number {
  return BATCH_HEADER_BYTES_MAX + recordBytes + SEPARATOR_BYTES;
}

/** The first of these records that fit together into a message of `bytesMax` bytes; may be none. */
export function fittingRecords(records: readonly LogRecord[], bytesMax: number): readonly LogRecord[] {
  let bytes = BATCH_HEADER_BYTES_MAX;
  const tooMany = records.findIndex((record) => {
    bytes += record.bytes.length + SEPARATOR_BYTES;
    return bytes > bytesMax;
  });
  return tooMany < 0 ? records : records.slice(0, tooMany);
}

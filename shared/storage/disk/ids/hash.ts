/**
 * Hashes the ids for the id index: 96 bits of a SHA-256 over the store's id and the client's id.
 *
 * The hash is cryptographic because clients choose the ids: with a weaker one a client could
 * construct two ids with the same hash. Among 10⁹ ids the chance of a collision is about 10⁻¹¹; the
 * two appends would then be taken for one, and the second would be answered as a conflict.
 */
import { createHash } from 'node:crypto';

/** 96 bits as two whole numbers below 2⁴⁸, in the order in which runs are sorted. */
export interface IdHash {
  readonly high: number;
  readonly low: number;
}

/** Bytes of a hash in a file: two u48, big-endian. */
export const ID_HASH_BYTES = 12;

/**
 * The hash of a client's id, salted with the store id so that hashes differ from store to store.
 */
export function hashId(storeId: string, id: string): IdHash {
  const digest = createHash('sha256').update(storeId).update(id, 'utf8').digest();
  return { high: digest.readUIntBE(0, 6), low: digest.readUIntBE(6, 6) };
}

/** The order of hashes in a run: negative when `a` comes first, 0 when they are equal. */
export function compareHashes(a: IdHash, b: IdHash): number {
  return a.high - b.high || a.low - b.low;
}

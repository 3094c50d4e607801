/**
 * What the id index keeps of an id: 96 bits of a SHA-256 over the store's id and the id. A
 * cryptographic hash, because clients choose the ids: with a weaker one somebody could make two
 * that look the same. Among 10⁹ ids the chance of any two that do is about 10⁻¹¹; both would then
 * be taken for one append, and the second be answered as a conflict.
 */
import { createHash } from 'node:crypto';

/** 96 bits as two whole numbers below 2⁴⁸, in the order in which runs are sorted. */
export interface IdHash {
  readonly high: number;
  readonly low: number;
}

export const ID_HASH_BYTES = 12;

export function hashId(storeId: string, id: string): IdHash {
  const digest = createHash('sha256').update(storeId).update(id, 'utf8').digest();
  return { high: digest.readUIntBE(0, 6), low: digest.readUIntBE(6, 6) };
}

export function compareHashes(a: IdHash, b: IdHash): number {
  return a.high - b.high || a.low - b.low;
}

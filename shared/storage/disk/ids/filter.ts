/**
 * Implements the Bloom filter of a run of ids (Bloom, 1970): tells for most hashes, without reading
 * the run, that the run does not hold them. "No" is always right; "perhaps" is wrong for about 1
 * hash in 100. Nearly every look-up is for a new id, so nearly none reads a file.
 *
 * 10 bits for each id and 7 probes, the best number for 10. The probes are sums of the hash's two
 * halves (Kirsch and Mitzenmacher, "Less Hashing, Same Performance").
 */
import type { IdHash } from './hash';

const BITS_PER_ID = 10;
const PROBES = 7;

/** Size in bytes of a filter for this many ids. */
export function filterBytesFor(ids: number): number {
  return Math.ceil((Math.max(ids, 1) * BITS_PER_ID) / 8);
}

/** A Bloom filter over `bytes`, which it changes in place. */
export class IdFilter {
  private readonly bitCount: number;

  constructor(readonly bytes: Uint8Array) {
    this.bitCount = bytes.length * 8;
  }

  add({ high, low }: IdHash): void {
    let bit = high % this.bitCount;
    const step = low % this.bitCount;
    for (let probe = 0; probe < PROBES; probe += 1) {
      this.bytes[bit >>> 3] = (this.bytes[bit >>> 3] ?? 0) | (1 << (bit & 7));
      bit = (bit + step) % this.bitCount;
    }
  }

  /** Returns false when the hash was never added; true when it was, or for a false positive. */
  mayHold({ high, low }: IdHash): boolean {
    let bit = high % this.bitCount;
    const step = low % this.bitCount;
    for (let probe = 0; probe < PROBES; probe += 1) {
      if (((this.bytes[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
      bit = (bit + step) % this.bitCount;
    }
    return true;
  }
}

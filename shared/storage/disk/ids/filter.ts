/**
 * Says of most hashes that a run does not hold them, without reading it (Bloom, 1970): never wrong
 * when it says no, wrong in about 1 of 100 when it says perhaps. Nearly every look-up is for an id
 * that is new, so nearly none reads a file.
 *
 * 10 bits for each id and 7 probes, the best number for 10. The probes are sums of the hash's two
 * halves (Kirsch and Mitzenmacher, "Less Hashing, Same Performance").
 */
import type { IdHash } from './hash';

const BITS_PER_ID = 10;
const PROBES = 7;

export function filterBytesFor(ids: number): number {
  return Math.ceil((Math.max(ids, 1) * BITS_PER_ID) / 8);
}

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

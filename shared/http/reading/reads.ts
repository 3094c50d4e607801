/**
 * Bounds what the readers of `GET /messages` that do not follow the log hold of a node: how many
 * they are, and the bytes that were read for them and not taken yet. A reader that takes nothing is
 * cut off by the app (`stalledMs`), and what it held is given back with its connection.
 */
import type { ServerResponse } from 'node:http';
import { overloaded, Places } from '../places';
import { ProblemError } from '../problem';

/**
 * Bytes of entries read at a time: large enough that reads cost little, small enough for many slow
 * readers at once.
 */
export const CHUNK_BYTES = 256 * 1024;
/** Chunks where half of the bytes are taken: slower to send, and room for eight times the readers. */
const SMALL_CHUNK_BYTES = CHUNK_BYTES / 8;

/** One answer that is being sent. */
export interface Read {
  /** Bytes of entries to read at a time. */
  readonly chunkBytes: number;
  /** Says how many bytes are held for it now. */
  hold(bytes: number): void;
}

/** All answers of a node with entries that are being sent. */
export class Reads {
  private readonly places: Places;
  private bytes = 0;

  constructor(private readonly limits: { readonly readersMax: number; readonly readBytesMax: number }) {
    this.places = new Places(limits.readersMax, 'reads are being sent');
  }

  /**
   * Counts one more, until `response` closes. Throws a `ProblemError` (503 `overloaded`) when there
   * is no room for it.
   */
  begin(response: ServerResponse): Read {
    const { readBytesMax } = this.limits;
    if (this.bytes >= readBytesMax) throw new ProblemError(overloaded(`${this.bytes} bytes wait for slow readers`));
    const chunkBytes = this.bytes < readBytesMax / 2 ? CHUNK_BYTES : SMALL_CHUNK_BYTES;
    if (response.closed) return { chunkBytes, hold: () => undefined };
    this.places.take();
    let held = 0;
    const hold = (bytes: number) => {
      if (response.closed) return;
      this.bytes += bytes - held;
      held = bytes;
    };
    response.once('close', () => {
      this.bytes -= held;
      this.places.give();
    });
    return { chunkBytes, hold };
  }
}

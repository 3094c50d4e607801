/** A wire message on its way: as an object, or as bytes when a run goes through the codec. */

import { decodeWire, encodeWire, WireError } from '#protocol/wire/codec';
import type { WireMessage } from '#protocol/wire/messages';

export interface Envelope {
  readonly type: string;
  readonly replyTo: string;
  readonly body: WireMessage | Uint8Array;
  /** About what it weighs in a queue. */
  readonly bytes: number;
}

export function pack(message: WireMessage, replyTo: string, asBytes: boolean): Envelope {
  if (asBytes) {
    const body = encodeWire(message);
    return { type: message.type, replyTo, body, bytes: body.length };
  }
  const bytes = message.type === 'entries' ? message.records.reduce((sum, each) => sum + each.bytes.length, 100) : 100;
  return { type: message.type, replyTo, body: message, bytes };
}

/** Null for what is no wire message: the receiver drops it. */
export function unpack({ type, body }: Envelope): WireMessage | null {
  if (!(body instanceof Uint8Array)) return body;
  try {
    return decodeWire(type, body);
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
}

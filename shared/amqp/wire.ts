/**
 * Wire messages as AMQP messages: which properties they carry on the way out, and the one place
 * where what came in is read.
 *
 * Whatever arrives is foreign until it parsed. A message that does not is counted, reported with
 * its kind and size (never its text) and dropped; nothing that a peer can send makes this throw.
 */
import type { Message, Options } from 'amqplib/callback_api';
import { NAME_PATTERN } from '#protocol/topology';
import { decodeWire, encodeWire, WireError } from '#protocol/wire/codec';
import type { WireMessage } from '#protocol/wire/messages';

/** RabbitMQ 4.x closes the channel for a larger message (`max_message_size`). */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** A message that could not be read. */
export interface Malformed {
  /** The AMQP `type` property, shortened; null: it had none. */
  readonly type: string | null;
  readonly bytes: number;
  /** The queue that it came from. */
  readonly queue: string;
  readonly what: string;
  /**
   * The node that sent it, by its `app_id`, where it is of a release that knows no log ids; null
   * otherwise.
   */
  readonly outdatedNode: string | null;
}

export interface Envelope {
  /** The sender's node id. */
  readonly node: string;
  /** Where answers go. */
  readonly replyTo: string;
  readonly persistent: boolean;
  /**
   * The broker drops it when it waited longer than this in a queue; null: never. Whole
   * milliseconds.
   */
  readonly expiresMs: number | null;
}

export function bodyOf(message: WireMessage): Buffer {
  const bytes = encodeWire(message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function propertiesOf(message: WireMessage, envelope: Envelope): Options.Publish {
  return {
    type: message.type,
    appId: envelope.node,
    timestamp: Math.floor(Date.now() / 1000),
    contentType: 'application/json',
    replyTo: envelope.replyTo,
    persistent: envelope.persistent,
    ...(envelope.expiresMs === null ? {} : { expiration: envelope.expiresMs }),
  };
}

/** The wire message in an AMQP message, or what is wrong with it. Never throws. */
export function readWire(
  queue: string,
  { properties, content }: Pick<Message, 'properties' | 'content'>,
): { readonly message: WireMessage } | { readonly malformed: Malformed } {
  const type: unknown = properties.type;
  try {
    return { message: decodeWire(type, content) };
  } catch (error) {
    const what = error instanceof WireError ? error.message : `could not be read: ${String(error)}`;
    const kind = typeof type === 'string' ? type.slice(0, 80) : null;
    const isOutdated = error instanceof WireError && error.isOutdated;
    const outdatedNode = isOutdated && isNodeId(properties.appId) ? properties.appId : null;
    return { malformed: { type: kind, bytes: content.length, queue, what: what.slice(0, 500), outdatedNode } };
  }
}

function isNodeId(value: unknown): value is string {
  return typeof value === 'string' && NAME_PATTERN.test(value);
}

/** The queue that the sender wants answers in; null when it named none. */
export function replyToOf({ properties }: Pick<Message, 'properties'>): string | null {
  const replyTo: unknown = properties.replyTo;
  return typeof replyTo === 'string' && replyTo !== '' ? replyTo : null;
}

/**
 * Converts between wire messages and AMQP messages: sets the properties of outgoing ones and parses
 * incoming ones.
 *
 * Incoming messages are untrusted until they are parsed. One that does not parse is counted,
 * reported with its type and size (never its text) and dropped; no message from a peer makes this
 * code throw.
 */
import type { Message, Options } from 'amqplib/callback_api';
import { NAME_PATTERN } from '#protocol/topology';
import { decodeWire, encodeWire, WireError } from '#protocol/wire/codec';
import type { WireMessage } from '#protocol/wire/messages';

/** A message that could not be parsed. */
export interface Malformed {
  /** The AMQP `type` property, shortened; null when there was none. */
  readonly type: string | null;
  readonly bytes: number;
  /** The queue that it was delivered from. */
  readonly queue: string;
  readonly what: string;
  /**
   * The node that sent it, from its `app_id`, when that node runs a release without log ids; null
   * otherwise.
   */
  readonly outdatedNode: string | null;
}

/** The properties of an outgoing message that its content does not determine. */
export interface Envelope {
  /** The sender's node id. */
  readonly node: string;
  /** The queue for answers. */
  readonly replyTo: string;
  readonly persistent: boolean;
  /** The broker drops the message after this many whole milliseconds in a queue; null for never. */
  readonly expiresMs: number | null;
}

/** The body of an AMQP message; shares memory with the encoded wire message. */
export function bodyOf(message: WireMessage): Buffer {
  const bytes = encodeWire(message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The properties of an AMQP message with this wire message; its timestamp is now, in seconds. */
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

/** Parses the wire message in an AMQP message, or says what is wrong with it. Never throws. */
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

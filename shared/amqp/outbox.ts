/**
 * Sends messages without confirms and with bounded memory: for messages that the protocol repeats,
 * where a late message is worse than none.
 *
 * States: *flowing* → *full*, when the channel's buffer passes its mark → *flowing*, when it has
 * drained. An outbox that is full, detached, or on a connection that the broker blocks drops what
 * it is given, and counts it. The mark is in frames of at most 128 KiB: amqplib holds FRAMES_MAX of
 * them on either side of a channel's buffer, so at most 32 MiB and one message.
 */
import type { Options } from 'amqplib/callback_api';
import { MESSAGE_BYTES_MAX } from '#protocol/limits';
import type { AmqpChannel } from './channel';
import { AmqpError } from './error';
import type { AmqpSession } from './session';

const FRAMES_MAX = 128;

interface OutgoingMessage {
  /** '' for the default exchange. */
  readonly exchange: string;
  /**
   * With the default exchange: the name of the queue. If it does not exist, the broker drops the
   * message silently.
   */
  readonly routingKey: string;
  readonly body: Buffer;
  readonly properties: Options.Publish;
}

/** The outbox of one node; it survives the sessions that it is attached to. */
export class Outbox {
  /** Number of messages that were not sent since the start. */
  dropped = 0;
  private lane: { readonly session: AmqpSession; readonly channel: AmqpChannel } | null = null;
  private full = false;

  /** Opens the outbox's channel, an essential one of the session. Rejects with an `AmqpError`. */
  async attach(session: AmqpSession, purpose: string): Promise<void> {
    const channel = await session.openEssential('publish', purpose, { highWaterMark: FRAMES_MAX });
    channel.onDrain(() => {
      if (this.lane?.channel === channel) this.full = false;
    });
    this.lane = { session, channel };
    this.full = false;
  }

  /** Drops what is sent until the next `attach`. */
  detach(): void {
    this.lane = null;
  }

  /**
   * Sends a message. Returns false when it was dropped; true only means that it was handed to the
   * channel.
   */
  send({ exchange, routingKey, body, properties }: OutgoingMessage): boolean {
    const lane = this.lane;
    if (lane === null || this.full || lane.session.publish.isBlocked || body.length > MESSAGE_BYTES_MAX)
      return this.drop();
    try {
      this.full = !lane.channel.publish(exchange, routingKey, body, properties);
      return true;
    } catch (error) {
      if (!(error instanceof AmqpError)) throw error;
      return this.drop();
    }
  }

  private drop(): false {
    this.dropped += 1;
    return false;
  }
}

/**
 * Fire-and-forget sending with bounded memory: for messages that the protocol repeats, where a
 * stale one is worth less than none.
 *
 * States: *flowing* → *full*, when the channel's buffer passes its mark → *flowing*, when it has
 * drained. A full outbox, one whose connection the broker blocks, and one that is detached drop
 * what they are given, and count it. The mark is in frames of at most 128 KiB: amqplib holds
 * FRAMES_MAX of them on either side of a channel's buffer, so 32 MiB and one message.
 */
import type { Options } from 'amqplib/callback_api';
import type { AmqpChannel } from './channel';
import { AmqpError } from './error';
import type { AmqpSession } from './session';
import { MESSAGE_BYTES_MAX } from './wire';

const FRAMES_MAX = 128;

interface Parcel {
  /** '' for the default exchange. */
  readonly exchange: string;
  /** With the default exchange: the queue. One that does not exist takes nothing, silently. */
  readonly routingKey: string;
  readonly body: Buffer;
  readonly properties: Options.Publish;
}

export class Outbox {
  /** Messages that were not sent, since the start. */
  dropped = 0;
  private lane: { readonly session: AmqpSession; readonly channel: AmqpChannel } | null = null;
  private full = false;

  /** Opens the outbox's channel; the session ends with it. */
  async attach(session: AmqpSession, purpose: string): Promise<void> {
    const channel = await session.openEssential('publish', purpose, { highWaterMark: FRAMES_MAX });
    channel.onDrain(() => {
      if (this.lane?.channel === channel) this.full = false;
    });
    this.lane = { session, channel };
    this.full = false;
  }

  detach(): void {
    this.lane = null;
  }

  /** False: it was dropped. True means no more than that it is on its way. */
  send({ exchange, routingKey, body, properties }: Parcel): boolean {
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

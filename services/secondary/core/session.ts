/**
 * Tracks the connection to the broker and the consumption of the entries queue, which ends with the
 * connection at the latest.
 *
 *     idle ──`consume`──▶ consuming ──connection lost, queue gone, pause or `stop`──▶ idle
 */
import type { SecondaryEffect } from './events';

/** The fields are read from outside, and change by the methods only. */
export class Session {
  /** The control queue is bound and consumed. */
  connected = false;
  /** Another process runs under this node id. */
  lockedOut = false;
  /** The driver has been asked to consume the entries queue. */
  consuming = false;
  /** An operator's fault injection, which outlives the connection. */
  paused = false;

  becomeUp(): void {
    this.connected = true;
    this.lockedOut = false;
  }

  becomeDown(): void {
    this.connected = false;
    this.consuming = false;
  }

  becomeLockedOut(): void {
    this.lockedOut = true;
  }

  /** Asks for consumption, unless it runs, is paused, or there is no connection. */
  consume(out: SecondaryEffect[]): void {
    if (!this.connected || this.consuming || this.paused) return;
    this.consuming = true;
    out.push({ do: 'consume' });
  }

  stop(out: SecondaryEffect[]): void {
    this.consuming = false;
    out.push({ do: 'stopConsuming' });
  }

  /** The entries queue is gone, and its consumption with it. */
  recordMissing(): void {
    this.consuming = false;
  }

  /** @returns false when nothing changes */
  pause(paused: boolean, out: SecondaryEffect[]): boolean {
    if (paused === this.paused) return false;
    this.paused = paused;
    if (paused) this.stop(out);
    return true;
  }
}

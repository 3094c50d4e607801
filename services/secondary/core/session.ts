/**
 * The connection to the broker, as the driver last said, and the consumption of the entries queue,
 * which lasts at most as long.
 *
 *     idle ──`consume`──▶ consuming ──the connection is lost, the queue is gone, a pause, `stop`──▶ idle
 */
import type { SecondaryEffect } from './events';

export class Session {
  private isUp = false;
  private isLockedOut = false;
  private isConsuming = false;
  private isPaused = false;

  get connected(): boolean {
    return this.isUp;
  }

  /** Another process runs under this node id. */
  get lockedOut(): boolean {
    return this.isLockedOut;
  }

  get consuming(): boolean {
    return this.isConsuming;
  }

  /** An operator's fault injection, which outlives the connection. */
  get paused(): boolean {
    return this.isPaused;
  }

  becomeUp(): void {
    this.isUp = true;
    this.isLockedOut = false;
  }

  becomeDown(): void {
    this.isUp = false;
    this.isConsuming = false;
  }

  becomeLockedOut(): void {
    this.isLockedOut = true;
  }

  consume(out: SecondaryEffect[]): void {
    if (!this.isUp || this.isConsuming || this.isPaused) return;
    this.isConsuming = true;
    out.push({ do: 'consume' });
  }

  stop(out: SecondaryEffect[]): void {
    this.isConsuming = false;
    out.push({ do: 'stopConsuming' });
  }

  /** The entries queue is gone, and its consumption with it. */
  recordMissing(): void {
    this.isConsuming = false;
  }

  /** False when nothing changes. */
  pause(paused: boolean, out: SecondaryEffect[]): boolean {
    if (paused === this.isPaused) return false;
    this.isPaused = paused;
    if (paused) this.stop(out);
    return true;
  }
}

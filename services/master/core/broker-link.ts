/**
 * Keeps the state of the connection to the broker and of the lock, as the driver last reported it.
 *
 *     down ──the lock is free──▶ up ──the connection is lost, the lock is released──▶ down
 *       └────another process has it────▶ locked out ──the lock is free──▶ up
 *
 * The lock avoids contested elections. Safety comes from epochs and votes.
 */
import type { Identity } from '#protocol/identity';

/** A master that reigns while this one does not. */
export interface LockOwner {
  readonly node: string;
  /** URL of its HTTP edge. */
  readonly httpUrl: string;
  /** The log in which it reigns; null: its messages do not name one. */
  readonly log: Identity | null;
}

/** The link of one master to the broker. */
export class BrokerLink {
  private isUp = false;
  private isLockedOut = false;
  private isBlocked = false;
  private heard: LockOwner | null = null;
  private why: string | null = null;

  get connected(): boolean {
    return this.isUp;
  }

  get lockedOut(): boolean {
    return this.isLockedOut;
  }

  /** The broker blocks publishers: its memory or disk alarm is on. */
  get blocked(): boolean {
    return this.isBlocked;
  }

  /** Why there is no session, in the broker's words; null: there is one, or nothing was said. */
  get trouble(): string | null {
    return this.why;
  }

  get hasLock(): boolean {
    return this.isUp && !this.isLockedOut;
  }

  /** The master that has the lock instead, as last heard; null: none was heard. */
  get owner(): LockOwner | null {
    return this.heard;
  }

  becomeUp(): void {
    this.isUp = true;
    this.isLockedOut = false;
    this.heard = null;
  }

  becomeLockedOut(): void {
    this.isUp = true;
    this.isLockedOut = true;
  }

  becomeDown(): void {
    this.isUp = false;
    this.isBlocked = false;
  }

  /** Releases the lock. The driver later reports `up` or `locked`. */
  giveUpLock(): void {
    this.isUp = false;
  }

  setBlocked(blocked: boolean): void {
    this.isBlocked = blocked;
  }

  setTrouble(reason: string | null): void {
    this.why = reason;
  }

  recordOwner(holder: LockOwner): void {
    this.heard = holder;
  }
}

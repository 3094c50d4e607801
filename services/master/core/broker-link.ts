/**
 * The connection to the broker and the lock of the log, as the driver last said.
 *
 *     down ──the lock is free──▶ up ──the connection is lost, the lock is given up──▶ down
 *       └────another process has it────▶ locked out ──the lock is free──▶ up
 *
 * The lock says who may speak as the master, nothing more: safety comes from epochs.
 */
import type { Identity } from '#protocol/identity';

/** Who reigns while this one does not. */
export interface LockOwner {
  readonly node: string;
  readonly httpUrl: string;
  /** The log that it reigns; null: it does not say so. */
  readonly log: Identity | null;
}

export class BrokerLink {
  private isUp = false;
  private isLockedOut = false;
  private isBlocked = false;
  private heard: LockOwner | null = null;

  get connected(): boolean {
    return this.isUp;
  }

  get lockedOut(): boolean {
    return this.isLockedOut;
  }

  /** The broker takes no publishes: its memory or disk alarm is on. */
  get blocked(): boolean {
    return this.isBlocked;
  }

  get hasLock(): boolean {
    return this.isUp && !this.isLockedOut;
  }

  /** Who has the lock instead, as last heard; null: nobody was heard. */
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

  /** Gives the lock up; the driver comes back with `up` or `locked`. */
  giveUpLock(): void {
    this.isUp = false;
  }

  setBlocked(blocked: boolean): void {
    this.isBlocked = blocked;
  }

  recordOwner(holder: LockOwner): void {
    this.heard = holder;
  }
}

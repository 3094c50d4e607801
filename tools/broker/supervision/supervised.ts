/**
 * What the supervisor can do with a broker, whether that is a process of its own or a container.
 * The supervisor calls one of these at a time and never two at once.
 */

export interface SupervisedBroker {
  /**
   * Returns once it is launched; whether it serves is for the AMQP handshake to tell. Only called
   * when it is down.
   */
  start(): Promise<void>;
  /** Orderly, bounded, and by force when the bound is reached. Nothing to do when it is down. */
  halt(): Promise<void>;
  /** At once, as a power cut would. */
  kill(): Promise<void>;
  /** Deletes all that it stored. Only called when it is down. */
  wipe(): Promise<void>;
  /**
   * Removes whatever else is left of it; the stored data too when `data` is true. Only called when
   * it is down.
   */
  dispose(data: boolean): Promise<void>;
}

export interface SupervisionEvents {
  /** It went down without having been told to. */
  died(how: string): void;
  /** The processes that would have to be found again if the supervisor itself were killed. */
  running(processes: readonly { pid: number; mark: string }[]): void;
}

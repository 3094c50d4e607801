/**
 * Tracks whether the broker knows of this log, which it does once the entries exchange exists.
 *
 *     done ──a log begins, or the broker is fresh──▶ due
 *     due ──the configuration is durable──▶ under way ──confirmed──▶ done
 *
 * A master declares the exchange once the first configuration of its reign is durable. It leads no
 * node before the broker has confirmed the declaration. Otherwise the loss of one disk could remove
 * every trace of acknowledged entries, and the log could begin a second time.
 */

/** The declaration of one log at the broker. */
export class LogDeclaration {
  /** The broker knows of no log. */
  isBrokerFresh = false;
  /** The broker knows of the log that this master leads. */
  isDone = true;
  private isDue = false;

  /**
   * A session with the broker has begun.
   * @param isFounded the reign's configuration is durable, so the session has declared the exchange
   */
  recordSession(isBrokerFresh: boolean, isFounded: boolean): void {
    this.isBrokerFresh = isBrokerFresh;
    if (!isFounded) return;
    this.recordConfirmed();
    this.isDue = false;
  }

  /** A reign has begun. */
  recordReign(isBirth: boolean): void {
    this.isDue = isBirth || this.isBrokerFresh;
    this.isDone = !this.isDue;
  }

  /** The configuration is durable. Returns true once: the exchange is to be declared now. */
  take(): boolean {
    const { isDue } = this;
    this.isDue = false;
    return isDue;
  }

  recordConfirmed(): void {
    this.isBrokerFresh = false;
    this.isDone = true;
  }
}

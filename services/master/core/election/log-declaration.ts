/**
 * Does the broker know of this log? The entries exchange is the broker's memory of it. A master
 * declares the exchange when the first list of its reign is durable, and leads nobody before the
 * broker has confirmed it: otherwise what secondaries acknowledge could be forgotten with one disk
 * and the log begun again.
 *
 *     done ──a log begins, or the broker is fresh──▶ due ──the list is durable──▶ under way ──confirmed──▶ done
 */
export class LogDeclaration {
  /** The broker knows of no log. */
  isBrokerFresh = false;
  /** The broker knows of the log that this master leads. */
  isDone = true;
  private isDue = false;

  /** @param isFounded the reign's log is durable, so the session has declared it */
  recordSession(isBrokerFresh: boolean, isFounded: boolean): void {
    this.isBrokerFresh = isBrokerFresh;
    if (!isFounded) return;
    this.recordConfirmed();
    this.isDue = false;
  }

  recordReign(isBirth: boolean): void {
    this.isDue = isBirth || this.isBrokerFresh;
    this.isDone = !this.isDue;
  }

  /** True once: the log is durable, and the broker is to be told of it. */
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

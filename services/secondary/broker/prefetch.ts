/**
 * How many deliveries a consumer may hold at a time, so that their bytes stay bounded while the
 * store is slow. RabbitMQ counts deliveries only (it has no prefetch size), so the count follows the
 * sizes that are seen:
 *
 *     consuming ──BYTES_MAX are held──▶ paused: no consumer ──half of that is settled──▶ consuming
 *         └──the sizes ask for half the count, or for twice it──▶ consuming, with another count
 *
 * It begins with few. What may be too much at once is then what the broker has sent before it hears
 * of the change.
 */

/** Bytes of unsettled deliveries: as many as keep a disk busy, in a container of 512 MiB. */
const BYTES_MAX = 32 * 1024 * 1024;
/** Before any size was seen: 64 MiB of the largest messages. */
const COUNT_FIRST = 4;

/** The window of one channel. */
export class PrefetchWindow {
  private heldBytes = 0;
  /** Of the deliveries since the consumer began. */
  private largest = 0;
  private seen = 0;
  private consumed = 0;

  constructor(private readonly countMax: number) {}

  /** The count of the consumer that begins now. */
  begin(): number {
    this.consumed = this.consumed === 0 ? Math.min(COUNT_FIRST, this.countMax) : this.fitting;
    this.largest = 0;
    this.seen = 0;
    return this.consumed;
  }

  noteDelivered(bytes: number): void {
    this.heldBytes += bytes;
    this.largest = Math.max(this.largest, bytes);
    this.seen += 1;
  }

  /** A delivery is settled, or was given back. */
  noteSettled(bytes: number): void {
    this.heldBytes -= bytes;
  }

  /** The consumer is to end now; another one begins when `hasRoom`. */
  get mustEnd(): boolean {
    if (this.heldBytes >= BYTES_MAX) return true;
    if (this.seen === 0) return false;
    return 2 * this.fitting <= this.consumed || (this.seen >= this.consumed && this.fitting >= 2 * this.consumed);
  }

  get hasRoom(): boolean {
    return this.heldBytes <= BYTES_MAX / 2;
  }

  private get fitting(): number {
    if (this.largest === 0) return this.consumed;
    return Math.max(1, Math.min(this.countMax, Math.floor(BYTES_MAX / this.largest)));
  }
}

/** How a secondary's catching up is shown: in its log every few seconds, and in /health. */

import type { Logger } from 'pino';
import { logEvent } from '#process/logger';
import { type CatchUp, CatchUpMeter } from './catch-up-meter';
import type { SecondaryView } from './core/view';

/** How often a node that catches up says so in its log, in milliseconds. */
const PROGRESS_MS = 2_000;

/** Behind by more than this a node counts as catching up, however ready it has been. */
const LAG_MANY = 1_000;

export class CatchUpReport {
  private readonly meter = new CatchUpMeter();
  private nextProgressAt = 0;

  constructor(
    private readonly view: Pick<SecondaryView, 'applied' | 'head' | 'ready'>,
    private readonly logger: Logger,
  ) {}

  /** Null: the node does not catch up. */
  read(): CatchUp | null {
    const { head, applied, ready } = this.view;
    const lag = head - applied;
    return lag > 0 && (!ready || lag > LAG_MANY) ? this.meter.read(lag) : null;
  }

  /** Called at each tick; `now` in milliseconds. */
  tick(now: number): void {
    const { applied, head } = this.view;
    this.meter.sample(now, applied);
    if (now < this.nextProgressAt) return;
    const catchUp = this.read();
    if (catchUp === null) return;
    this.nextProgressAt = now + PROGRESS_MS;
    logEvent(this.logger, 'info', 'log.catch-up-progress', { applied, head, ...catchUp });
  }
}

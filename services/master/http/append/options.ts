/** What both kinds of append need: the master, and the limits of a request. */
import type { BodyBounds, BodyBudget } from '#http/body/raw';
import type { WriteConcern } from '#protocol/write-concern';
import type { MasterPort } from '../ports';

/** The parts of the append routes. Sizes are bytes. */
export interface AppendOptions {
  readonly master: MasterPort;
  readonly defaultWriteConcern: WriteConcern;
  /** Largest message, in UTF-8 bytes. */
  readonly messageBytesMax: number;
  readonly bodyBytesMax: number;
  /** A body that makes no progress for so long is given up. */
  readonly stalledMs: number;
  /** Of the bodies that arrive at once. */
  readonly budget: BodyBudget;
}

/** The bounds of a body. */
export function boundsOf({ bodyBytesMax: bytesMax, budget, stalledMs }: AppendOptions): BodyBounds {
  return { bytesMax, budget, stalledMs };
}

/** Defines the parts that single and bulk appends share: the master and the limits of a request. */
import type { BodyBudget } from '#http/body/raw';
import type { WriteConcern } from '#protocol/write-concern';
import type { MasterPort } from '../ports';

/** The parts of the append routes. Sizes are bytes. */
export interface AppendOptions {
  readonly master: MasterPort;
  readonly defaultWriteConcern: WriteConcern;
  /** Largest message, in UTF-8 bytes. */
  readonly messageBytesMax: number;
  readonly bodyBytesMax: number;
  /** Budget of all bodies that arrive at once. */
  readonly budget: BodyBudget;
}

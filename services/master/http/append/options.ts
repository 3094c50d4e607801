/** What both kinds of append need: the master, and the limits of a request. */
import type { BodyBudget } from '#http/body/raw';
import type { WriteConcern } from '#protocol/write-concern';
import type { MasterPort } from '../ports';

export interface AppendOptions {
  readonly master: MasterPort;
  readonly defaultWriteConcern: WriteConcern;
  /** Largest message, in UTF-8 bytes. */
  readonly messageBytesMax: number;
  readonly bodyBytesMax: number;
  /** Of the bodies that arrive at once. */
  readonly budget: BodyBudget;
}

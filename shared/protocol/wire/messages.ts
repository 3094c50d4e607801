/**
 * What the nodes say to each other: the kinds of wire message and their fields. Which kind goes
 * where is in ARCHITECTURE.md; how they are written as bytes is in wire-codec.ts.
 */
import { z } from 'zod';
import { IDENTITY_LENGTH_MAX, type Identity } from '../identity';
import type { LogEnd } from '../log/outline';
import type { LogRecord } from '../record';
import { REMOVED_MAX } from '../record';
import { NAME_PATTERN } from '../topology';

const position = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const node = z.string().regex(NAME_PATTERN);
const store = z.string().min(1).max(64);
const httpUrl = z.string().max(2048);
const voter = z.object({ node, store });

/**
 * What the sender follows: an epoch is the pair. 0 and '' for a node that has promised none yet.
 */
export interface EpochId {
  readonly epoch: number;
  readonly reign: string;
}

/** What a message is sent in: an epoch, and the log whose epoch that is. */
export interface Sender extends EpochId {
  /**
   * The log that the sender knows itself to belong to; null: it is blank. A message that does not
   * say is of an older release, and dropped.
   */
  readonly log: Identity | null;
}

const reign = z.string().max(64);
const log = z.string().min(1).max(IDENTITY_LENGTH_MAX).nullable();
const sender = { epoch: position, reign, log };

/** Where the sender's log ends. `lastLog` is what its records say; it may lag behind `log`. */
const end = { lastIndex: position, lastEpoch: position, lastReign: reign, lastLog: log, lastSeq: position };

/** How a store keeps what it has: a memory store is lost with its process, and says so. */
const storeKind = z.enum(['disk', 'memory']);

export const wireSchemas = {
  /**
   * secondary → replies. "I hold this epoch's log up to index": cumulative, so a lost one is mended
   * by the next.
   */
  ack: z.object({ ...sender, node, store, index: position, applied: position }),
  /**
   * secondary → replies, every interval. An ack as well: `index` is 0 while the log is not yet
   * checked against this epoch's.
   */
  heartbeat: z.object({
    ...sender,
    node,
    store,
    index: position,
    applied: position,
    buffered: position,
    httpUrl,
    /** Running CRC-32 of the records' bytes up to `index`, where it is known. */
    checksum: position.optional(),
    /**
     * Seq of its first entry that is not the master's, when it found one; it has stopped applying.
     */
    differsAt: position.optional(),
  }),
  /** secondary → replies, at start, after each reconnect and when a new epoch is announced. */
  join: z.object({ ...sender, ...end, node, store, storeKind, httpUrl }),
  /** secondary → replies, on a clean stop: Unhealthy at once, still a member. */
  leave: z.object({ ...sender, node }),
  /**
   * Who lacks records → who has them: send from `from` on; the record before it is of `lastEpoch`
   * and `lastReign` here.
   */
  fetch: z.object({
    ...sender,
    node,
    from: position.min(1),
    lastEpoch: position,
    lastReign: reign,
    limit: position.min(1),
    /**
     * Only a log that ends there or farther, in this very store, is asked: what another one lacks
     * says nothing.
     */
    expects: z.object({ ...end, store }).optional(),
    /** The answer shall say `prevChecksum`. */
    withChecksum: z.literal(true).optional(),
  }),
  /** Answer to a fetch: the logs part; ours has `endEpoch` up to `endIndex` (KIP-595). */
  diverged: z.object({ ...sender, endEpoch: position, endReign: reign, endIndex: position }),
  /**
   * master → control, every interval and at once after a start. `commit` and `headIndex` are
   * indexes, `head` a seq.
   */
  announce: z.object({
    ...sender,
    node,
    headIndex: position,
    head: position,
    commit: position,
    /** Nodes that an operator has removed: they are told by this. */
    removed: z.array(node).max(REMOVED_MAX),
    httpUrl,
    /** Running CRC-32 of the records' bytes up to `headIndex`, where it is known. */
    checksum: position.optional(),
  }),
  /** master → control: Raft's RequestVote. */
  claim: z.object({ ...sender, ...end, node, store }),
  /** secondary → the claim's reply_to. */
  vote: z.object({
    ...sender,
    node,
    store,
    granted: z.boolean(),
    /** The epoch that the vote is about: the claim's. */
    claimed: position,
    ...end,
    storeKind,
    /** Of the newest list of its log. */
    voters: z.array(voter).max(1024),
  }),
  /**
   * master → one secondary: it came back with less than it had acknowledged, so it must be another
   * store from now on.
   */
  renew: z.object({ ...sender, node, store }),
} as const;

type Schemas = typeof wireSchemas;
type PlainMessage = {
  [Kind in keyof Schemas]: { readonly type: Kind } & Readonly<z.infer<Schemas[Kind]>>;
}[keyof Schemas];

/**
 * master → all, or → the queue that a fetch named: Raft's AppendEntries. The records follow
 * `prevIndex` without gaps.
 */
export interface EntriesMessage extends Sender {
  readonly type: 'entries';
  /** Index before the first record; 0 at the start of the log. */
  readonly prevIndex: number;
  /** Epoch of the record at `prevIndex`; 0 at 0. */
  readonly prevEpoch: number;
  /** Reign of the record at `prevIndex`; '' at 0. */
  readonly prevReign: string;
  /** The master's commit index when it was sent. */
  readonly commit: number;
  readonly records: readonly LogRecord[];
  /**
   * Running CRC-32 of the sender's records up to `prevIndex`; only in answer to a fetch that asked
   * for it.
   */
  readonly prevChecksum?: number;
}

export type WireMessage = PlainMessage | EntriesMessage;
type WireType = WireMessage['type'];
export type MessageOf<Type extends WireType> = Extract<WireMessage, { readonly type: Type }>;

export function isSameEpoch(a: EpochId, b: EpochId): boolean {
  return a.epoch === b.epoch && a.reign === b.reign;
}

/** The end of a log as a message says it. */
export function endOf({ lastIndex, lastEpoch, lastReign, lastLog }: Omit<SaidEnd, 'lastSeq'>): LogEnd {
  return { index: lastIndex, epoch: lastEpoch, reign: lastReign, log: lastLog };
}

/** The end of a log, to be said in a message. */
export function saidEnd({ index, epoch, reign, log }: LogEnd, lastSeq: number): SaidEnd {
  return { lastIndex: index, lastEpoch: epoch, lastReign: reign, lastLog: log, lastSeq };
}

interface SaidEnd {
  readonly lastIndex: number;
  readonly lastEpoch: number;
  readonly lastReign: string;
  readonly lastLog: Identity | null;
  readonly lastSeq: number;
}

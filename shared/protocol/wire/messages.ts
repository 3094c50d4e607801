/**
 * Defines the wire messages between nodes: their kinds and fields. ARCHITECTURE.md says which kind
 * goes where; codec.ts encodes them.
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
 * The epoch that a node follows (Raft: currentTerm): the pair is its name. 0 and '' for a node that
 * has promised none yet.
 */
export interface EpochId {
  readonly epoch: number;
  readonly reign: string;
}

/** The fields of every message: the epoch that it is sent in, and the log of that epoch. */
export interface Sender extends EpochId {
  /**
   * Identity of the sender's log; null when the sender is blank. A message without the field is of
   * an older release, and is dropped.
   */
  readonly log: Identity | null;
}

const reign = z.string().max(64);
const log = z.string().min(1).max(IDENTITY_LENGTH_MAX).nullable();
const sender = { epoch: position, reign, log };

/**
 * The end of the sender's log. `lastLog` is the identity of its records, which may lag behind
 * `log`.
 */
const end = { lastIndex: position, lastEpoch: position, lastReign: reign, lastLog: log, lastSeq: position };

/** Whether the log in the sender's store is lost with its process (store-kind.ts): `memory`, or not. */
const storeKind = z.enum(['disk', 'memory']);

/**
 * The zod schema of each kind except `entries`. `head`, `applied`, `lastSeq` and `differsAt` are
 * seqs, `limit` is a number of records, the other positions indexes or epochs by their
 * name.
 */
export const wireSchemas = {
  /**
   * secondary → replies. The sender holds this epoch's log up to `index`. Acks are cumulative, so
   * the next one makes up for a lost one. `applied` is a seq.
   */
  ack: z.object({ ...sender, node, store, index: position, applied: position }),
  /**
   * secondary → replies, every interval. Also an ack: `index` is 0 while the log is not yet checked
   * against this epoch's.
   */
  heartbeat: z.object({
    ...sender,
    node,
    store,
    index: position,
    applied: position,
    /** Not read. A master of an earlier build drops a heartbeat without it, so it is sent as 0. */
    buffered: position.optional(),
    httpUrl,
    /** Running CRC-32 of the records' bytes up to `index`, where it is known. */
    checksum: position.optional(),
    /**
     * Seq of the sender's first entry that differs from the master's, when it has found one; it has
     * stopped applying.
     */
    differsAt: position.optional(),
  }),
  /** secondary → replies, at start, after each reconnect and when a new epoch is announced. */
  join: z.object({ ...sender, ...end, node, store, storeKind, httpUrl }),
  /** secondary → replies, when it stops in order: Unhealthy at once, still a member. */
  leave: z.object({ ...sender, node }),
  /**
   * A node without some records → a node that has them (Kafka: Fetch): send records from `from` on.
   * The sender's record before `from` is of `lastEpoch` and `lastReign`.
   */
  fetch: z.object({
    ...sender,
    node,
    from: position.min(1),
    lastEpoch: position,
    lastReign: reign,
    limit: position.min(1),
    /**
     * Only a node with this very store, whose log still ends there or later, answers: that another
     * log lacks a record proves nothing.
     */
    expects: z.object({ ...end, store }).optional(),
    /** The answer is to carry `prevChecksum`. */
    withChecksum: z.literal(true).optional(),
  }),
  /**
   * Answer to a fetch when the logs differ: the sender's log has `endEpoch` up to `endIndex`
   * (KIP-595: diverging epoch).
   */
  diverged: z.object({ ...sender, endEpoch: position, endReign: reign, endIndex: position }),
  /**
   * master → control, every interval and at once after a start (Raft: empty AppendEntries).
   * `commit` and `headIndex` are indexes, `head` is a seq.
   */
  announce: z.object({
    ...sender,
    node,
    headIndex: position,
    head: position,
    commit: position,
    /** Nodes that an operator has removed; this message tells them. */
    removed: z.array(node).max(REMOVED_MAX),
    httpUrl,
    /** Running CRC-32 of the records' bytes up to `headIndex`, where it is known. */
    checksum: position.optional(),
  }),
  /** master → control: Raft's RequestVote. */
  claim: z.object({ ...sender, ...end, node, store }),
  /** secondary → the claim's reply_to: Raft's RequestVote reply. */
  vote: z.object({
    ...sender,
    node,
    store,
    granted: z.boolean(),
    /** The epoch of the claim. */
    claimed: position,
    ...end,
    storeKind,
    /** The voters of the newest configuration in the sender's log. */
    voters: z.array(voter).max(1024),
  }),
  /**
   * master → one secondary: it came back with less than it had acked, so it must become another
   * store.
   */
  renew: z.object({ ...sender, node, store }),
} as const;

type Schemas = typeof wireSchemas;
type PlainMessage = {
  [Kind in keyof Schemas]: { readonly type: Kind } & Readonly<z.infer<Schemas[Kind]>>;
}[keyof Schemas];

/**
 * master → all members, or → the queue that a fetch named: Raft's AppendEntries. The records follow
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
  /** The master's commit index when the message was sent. */
  readonly commit: number;
  readonly records: readonly LogRecord[];
  /**
   * Running CRC-32 of the sender's records up to `prevIndex`; only in the answer to a fetch that
   * asked for it.
   */
  readonly prevChecksum?: number;
}

/** Any wire message. */
export type WireMessage = PlainMessage | EntriesMessage;
type WireType = WireMessage['type'];
/** The wire message of one kind. */
export type MessageOf<Type extends WireType> = Extract<WireMessage, { readonly type: Type }>;
/** What a master sends to all nodes at once. */
export type ControlMessage = MessageOf<'announce' | 'claim'>;
/** What a master takes from a member, or from a node that wants to be one. */
export type MemberMessage = MessageOf<'ack' | 'heartbeat' | 'join' | 'leave' | 'fetch' | 'vote'>;

/** Whether both name the same epoch: the number and the reign. */
export function isSameEpoch(a: EpochId, b: EpochId): boolean {
  return a.epoch === b.epoch && a.reign === b.reign;
}

/** The end of a log, from the fields of a message. */
export function endOf({ lastIndex, lastEpoch, lastReign, lastLog }: Omit<SaidEnd, 'lastSeq'>): LogEnd {
  return { index: lastIndex, epoch: lastEpoch, reign: lastReign, log: lastLog };
}

/** The end of a log, as the fields of a message. */
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

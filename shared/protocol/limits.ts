/** Bounds that both sides keep, each with its reason. */

/**
 * Bytes of records in one batch before it is closed: far below RabbitMQ's 16 MiB, large enough that
 * the broker is no limit.
 */
export const BATCH_BYTES_MAX = 1024 * 1024;

/**
 * Records in one batch: beyond some thousand the broker's share of an entry is no longer
 * measurable.
 */
export const BATCH_RECORDS_MAX = 4096;

/**
 * Bytes of batches that the broker has not confirmed yet; past it publishing waits for confirms.
 */
export const UNCONFIRMED_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Batches that the broker has not confirmed yet. Few: what becomes durable while they are under way
 * goes out as one batch, and is one message, one sync and one ack for every secondary. With 128
 * nearly every group was a message of its own.
 */
export const UNCONFIRMED_BATCHES_MAX = 4;

/**
 * How far above the own epoch another's is still believed. A log that has seen four billion
 * elections is not to be expected; a stray message with an epoch near the end of all numbers would
 * leave nothing to claim above it.
 */
export const EPOCH_JUMP_MAX = 2 ** 32;

/** Bytes that a secondary holds out of order; what falls out is fetched again. */
export const REORDER_BYTES_MAX = 16 * 1024 * 1024;

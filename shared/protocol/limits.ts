/** Defines the limits that master and secondaries share, each with the reason for its number. */

/**
 * Largest wire message in bytes: the default `max_message_size` of RabbitMQ 4.x, which closes the
 * channel for a larger one. A broker may take less.
 */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Bytes of records at which a batch is closed: far below RabbitMQ's limit of 16 MiB, and large
 * enough that the broker does not limit the throughput.
 */
export const BATCH_BYTES_MAX = 1024 * 1024;

/**
 * Records in one batch: above some thousand, the broker's share of the cost of an entry is too
 * small to measure.
 */
export const BATCH_RECORDS_MAX = 4096;

/**
 * Bytes of batches that the broker has not confirmed yet; above it publishing waits for confirms.
 */
export const UNCONFIRMED_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Batches that the broker has not confirmed yet. The number is small so that records which become
 * durable meanwhile go out as one batch, which costs each secondary one message, one sync and one
 * ack. With 128 nearly every group was a message of its own.
 */
export const UNCONFIRMED_BATCHES_MAX = 4;

/**
 * Largest epoch jump that is accepted from a peer. No log has four billion elections; a corrupt
 * epoch near MAX_SAFE_INTEGER would leave no higher epoch to claim.
 */
export const EPOCH_JUMP_MAX = 2 ** 32;

/**
 * Bytes of records that a secondary buffers out of order; records beyond it are dropped and fetched
 * again.
 */
export const REORDER_BYTES_MAX = 16 * 1024 * 1024;

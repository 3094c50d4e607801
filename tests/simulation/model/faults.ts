/**
 * What can go wrong on the way, at the broker and on the disks, and how often. The models read it
 * at every turn, so a run may change it as it goes: a calm ending is `CALM` put back.
 */

/** Times in milliseconds, rates in [0, 1]. */
export interface Faults {
  /** A hop between a node and the broker takes 1 … this. */
  hopMs: number;
  slowHopRate: number;
  slowHopMs: number;
  /** A published batch reaches each queue up to this later than the fastest. */
  skewMs: number;
  /** A batch stands in a queue twice. */
  duplicateRate: number;
  /** Every queue has the batch, and its publisher is told that it may not be so. */
  lostConfirmRate: number;
  /** Some queues have the batch, some have not, and its publisher is told so. */
  nackRate: number;
  confirmMs: number;
  /** Confirms come together, at multiples of this; 0: each by itself. */
  confirmGroupMs: number;
  /** What is given back goes to the end of the queue instead of its front. */
  requeueToBackRate: number;
  /** Claims, announcements and what goes to one queue: expired, or dropped from a full queue. */
  controlLossRate: number;
  /** After a connection is cut the broker notices within this, and frees what is exclusive. */
  brokerNoticesMs: number;
  /** … and the node within this. */
  nodeNoticesMs: number;
  /** Between one try to connect, or for a lock, and the next: up to this. */
  reconnectMs: number;
  /** Bytes of a member's queue; beyond it the oldest are dropped. 0: no bound. */
  queueBytesMax: number;
  /** Unsettled deliveries of a consumer. */
  prefetch: number;
  /** A batch is lost in a secondary's hands (settled, not looked at). */
  dropRate: number;
  /** A batch is looked at twice. */
  repeatRate: number;
  /** An error after the append and before the ack. */
  failRate: number;
  /** A store operation takes 1 … this. */
  storeMs: number;
  slowStoreRate: number;
  slowStoreMs: number;
  /** A write fails for want of room, with nothing written. */
  fullRate: number;
  /** A write fails for good, with a part of it written. */
  brokenRate: number;
  /** What a killed process was writing is on the disk, whole or in part; else it is lost. */
  tornRate: number;
}

export const CALM: Readonly<Faults> = {
  hopMs: 3,
  slowHopRate: 0,
  slowHopMs: 0,
  skewMs: 0,
  duplicateRate: 0,
  lostConfirmRate: 0,
  nackRate: 0,
  confirmMs: 0,
  confirmGroupMs: 0,
  requeueToBackRate: 0,
  controlLossRate: 0,
  brokerNoticesMs: 0,
  nodeNoticesMs: 0,
  reconnectMs: 500,
  queueBytesMax: 0,
  prefetch: 64,
  dropRate: 0,
  repeatRate: 0,
  failRate: 0,
  storeMs: 1,
  slowStoreRate: 0,
  slowStoreMs: 0,
  fullRate: 0,
  brokenRate: 0,
  tornRate: 0,
};

/**
 * Summarizes a log in memory, without its entries (Kafka: leader epoch cache). The outline has the
 * log's end, the start of each epoch, and the control records. These facts give the epoch and the
 * seq of every index, the configuration, and the position where two logs part.
 *
 * Memory grows with control records (one a reign, one a change of members), not with entries. The
 * epoch history follows KIP-101; `partingPoint` is the leader's half of KIP-595's truncation.
 */
import { branchOf, extendsLog, type Identity } from '../identity';
import type { Control, LogRecord, MembersControl, Voter } from '../record';

/**
 * A position in a log: the record at `index` with its epoch and reign (0 and '' at index 0). Logs
 * are compared by the pair of epoch and reign, because two logs may use one epoch number.
 */
interface LogPosition {
  readonly index: number;
  readonly epoch: number;
  readonly reign: string;
}

/** The end of a log and the identity of that log; null: it has no record. */
export interface LogEnd extends LogPosition {
  readonly log: Identity | null;
}

/** The end of an epoch (Kafka: diverging epoch): the last position at which two logs can agree. */
interface EpochEnd {
  readonly endEpoch: number;
  readonly endReign: string;
  readonly endIndex: number;
}

interface ControlPlace {
  readonly index: number;
  readonly control: Control;
}

interface EpochStart {
  readonly epoch: number;
  readonly index: number;
  /** Reign that opened the epoch; '' when the epoch's first record is not its control record. */
  readonly reign: string;
}

/**
 * A configuration and the index of its record; index 0 and null when the log has none.
 */
interface MembersPlace {
  readonly index: number;
  readonly members: MembersControl | null;
}

/** All that an outline of a log knows, as plain values. */
export interface OutlineFacts {
  readonly lastIndex: number;
  readonly epochs: readonly EpochStart[];
  readonly controls: readonly ControlPlace[];
}

/** The outline of one log. Positions are indexes of records unless they say `seq`. */
export class LogOutline {
  /** Index of the last record; 0: the log is empty. */
  lastIndex = 0;
  /** Ascending by index and by epoch. */
  private readonly epochs: EpochStart[] = [];
  /** Ascending by index. */
  private readonly controls: ControlPlace[] = [];
  /** Undefined: it has to be computed again. */
  private knownIdentity: Identity | null | undefined = null;

  /** What it knows of the records up to `index`, which is not above `lastIndex`. */
  factsUpTo(index: number): OutlineFacts {
    const isWithin = (place: { readonly index: number }) => place.index <= index;
    return { lastIndex: index, epochs: this.epochs.filter(isWithin), controls: this.controls.filter(isWithin) };
  }

  /** Makes an empty outline that of the log with these facts. */
  restore({ lastIndex, epochs, controls }: OutlineFacts): void {
    this.lastIndex = lastIndex;
    this.epochs.push(...epochs);
    this.controls.push(...controls);
    this.knownIdentity = undefined;
  }

  get lastEpoch(): number {
    return this.epochs.at(-1)?.epoch ?? 0;
  }

  /** Seq of the last entry; 0: none. */
  get lastSeq(): number {
    return this.lastIndex - this.controls.length;
  }

  get lastReign(): string {
    return this.epochs.at(-1)?.reign ?? '';
  }

  get last(): LogEnd {
    return { index: this.lastIndex, epoch: this.lastEpoch, reign: this.lastReign, log: this.identity };
  }

  /**
   * Identity of the log by its records: the reign of the first one and the reigns of its forced
   * configurations. Null for a log without records.
   */
  get identity(): Identity | null {
    if (this.knownIdentity === undefined) this.knownIdentity = this.makeOutIdentity();
    return this.knownIdentity;
  }

  /** Does this record follow the last one in index, epoch and seq? */
  isFollowedBy({ index, epoch, seq, control }: Pick<LogRecord, 'index' | 'epoch' | 'seq' | 'control'>): boolean {
    const expectedSeq = control === null ? this.lastSeq + 1 : this.lastSeq;
    return index === this.lastIndex + 1 && epoch >= this.lastEpoch && seq === expectedSeq;
  }

  /** Appends a record. Throws when it does not follow the last one. */
  append(record: Pick<LogRecord, 'index' | 'epoch' | 'seq' | 'control'>): void {
    const { index, epoch, seq, control } = record;
    if (!this.isFollowedBy(record)) {
      throw new Error(
        `record (index ${index}, epoch ${epoch}, seq ${seq}) does not follow (index ${this.lastIndex}, epoch ${this.lastEpoch}, seq ${this.lastSeq})`,
      );
    }
    if (epoch > this.lastEpoch) {
      this.epochs.push({ epoch, index, reign: control?.control === 'epoch' ? control.reign : '' });
    }
    if (control !== null) {
      this.controls.push({ index, control });
      this.knownIdentity = undefined;
    }
    if (index === 1) this.knownIdentity = undefined;
    this.lastIndex = index;
  }

  /** Forgets every record after `index`. */
  truncateAfter(index: number): void {
    if (index >= this.lastIndex) return;
    while ((this.epochs.at(-1)?.index ?? 0) > index) this.epochs.pop();
    while ((this.controls.at(-1)?.index ?? 0) > index) this.controls.pop();
    this.lastIndex = index;
    this.knownIdentity = undefined;
  }

  /** Epoch of the record at `index`, 0 at index 0; null beyond the end. */
  epochAt(index: number): number | null {
    if (index > this.lastIndex) return null;
    return this.epochs[lastAtOrBelow(this.epochs, index)]?.epoch ?? 0;
  }

  /** Reign that wrote the record at `index`; '' at index 0 and beyond the end. */
  reignAt(index: number): string {
    if (index > this.lastIndex) return '';
    return this.epochs[lastAtOrBelow(this.epochs, index)]?.reign ?? '';
  }

  /** Seq of the last entry at or below `index`; an index beyond the end counts as the end. */
  seqAt(index: number): number {
    const within = Math.min(index, this.lastIndex);
    return within - (lastAtOrBelow(this.controls, within) + 1);
  }

  /** Index of the entry with this seq; null when there is none. */
  indexOf(seq: number): number | null {
    if (seq < 1 || seq > this.lastSeq) return null;
    // The index is the seq plus the number of control records before the entry.
    let low = 0;
    let high = this.controls.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const place = this.controls[middle];
      if (place !== undefined && place.index - middle <= seq) low = middle + 1;
      else high = middle;
    }
    return seq + low;
  }

  /** The newest configuration in the log, committed or not. */
  newestConfiguration(): MembersPlace {
    for (let at = this.controls.length - 1; at >= 0; at -= 1) {
      const place = this.controls[at];
      if (place?.control.control === 'members') {
        return { index: place.index, members: place.control };
      }
    }
    return { index: 0, members: null };
  }

  /** Epoch of the last reign that an operator forced; null: none. */
  get forcedEpoch(): number | null {
    const place = this.forcedPlaces().at(-1);
    return place === undefined ? null : this.epochAt(place.index);
  }

  /** The node and store that began the log, by its first record; null: no record names them. */
  get founder(): Voter | null {
    const [first] = this.controls;
    return first?.index === 1 && first.control.control === 'epoch' ? first.control : null;
  }

  /** Every node that was ever a voter of this log. */
  get everVoters(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const { control } of this.controls)
      if (control.control === 'members') for (const { node } of control.voters) names.add(node);
    return names;
  }

  /** Has this log the record at that position? Then the two logs are equal up to it. */
  has({ index, epoch, reign }: LogPosition): boolean {
    return this.epochAt(index) === epoch && this.reignAt(index) === reign;
  }

  /**
   * The last position at which this log can agree with another log that has a record at `position`.
   * @returns null when the logs are equal up to `position`; else the end of the largest epoch here
   *   that is not above `position.epoch` and not an equal number of another reign
   */
  partingPoint(position: LogPosition): EpochEnd | null {
    if (this.has(position)) return null;
    const end = this.endOfEpoch(position.epoch);
    const isOther = end.epoch === position.epoch && end.reign !== position.reign;
    const { epoch, reign, index } = isOther ? this.endOfEpoch(position.epoch - 1) : end;
    return { endEpoch: epoch, endReign: reign, endIndex: index };
  }

  /**
   * Index after which this log has to be truncated to agree with one that answered `diverged`: the
   * follower's half of KIP-595's truncation.
   */
  cutFor({ endEpoch, endReign, endIndex }: EpochEnd): number {
    const own = this.endOfEpoch(endEpoch);
    if (own.epoch !== endEpoch) return own.index;
    return own.reign === endReign ? Math.min(own.index, endIndex) : this.endOfEpoch(endEpoch - 1).index;
  }

  /** The end of the largest epoch here that is not above `epoch`; index 0 when there is none. */
  endOfEpoch(epoch: number): LogPosition {
    for (let at = this.epochs.length - 1; at >= 0; at -= 1) {
      const start = this.epochs[at];
      if (start !== undefined && start.epoch <= epoch) {
        const next = this.epochs[at + 1];
        const index = next === undefined ? this.lastIndex : next.index - 1;
        return { epoch: start.epoch, reign: start.reign, index };
      }
    }
    return { epoch: 0, reign: '', index: 0 };
  }

  private makeOutIdentity(): Identity | null {
    const [first] = this.epochs;
    if (first === undefined) return null;
    const forced = this.forcedPlaces().map(({ index }) => this.reignAt(index));
    // A forced reign marks its first record and its configuration.
    return [...new Set(forced)].reduce(branchOf, first.reign);
  }

  private forcedPlaces(): ControlPlace[] {
    return this.controls.filter(({ control }) => control.forced === true);
  }

  toString(): string {
    return `log ${this.lastIndex}@${this.lastEpoch} seq ${this.lastSeq}`;
  }
}

/** A read-only outline. */
export type OutlineView = Omit<LogOutline, 'append' | 'restore' | 'truncateAfter'>;

/**
 * Compares two logs by their ends, as Raft does (§5.4.1): is `ours` at least as up to date as
 * `theirs`? A later branch of a log is ahead of the branch that it began from, even in a lower
 * epoch. Foreign logs are not comparable, and neither is one epoch number of two reigns: the
 * answer is false both ways.
 */
export function isAtLeastAsUpToDate(ours: LogEnd, theirs: LogEnd): boolean {
  if (ours.log !== theirs.log) return extendsLog(ours.log, theirs.log);
  if (ours.epoch !== theirs.epoch) return ours.epoch > theirs.epoch;
  return ours.reign === theirs.reign && ours.index >= theirs.index;
}

/** Position in `places` of the last one at or below `index`; −1 for none. */
function lastAtOrBelow(places: readonly { readonly index: number }[], index: number): number {
  let low = 0;
  let high = places.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((places[middle]?.index ?? Number.POSITIVE_INFINITY) <= index) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

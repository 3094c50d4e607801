/**
 * The shape of a log without its entries: where it ends, which epochs it went through, its control
 * records. From these few facts follow the epoch and the seq of every index, the voters, and where
 * two logs part.
 *
 * Memory grows with control records only (one a reign, one a change of members), never with
 * entries. Epoch history after KIP-101; `partingPoint` is the leader's half of KIP-595's
 * truncation.
 */
import { branchOf, extendsLog, type Identity } from '../identity';
import type { Control, LogRecord, MembersControl, Voter } from '../record';

/**
 * A place in a log: everything up to `index` is there, and `epoch` and `reign` are those of the
 * record at `index` (0 and '' at 0). Logs are compared by the pair, for two histories may have
 * given one number twice.
 */
export interface LogPosition {
  readonly index: number;
  readonly epoch: number;
  readonly reign: string;
}

/** Where a whole log ends, and which log that is; null: it has no record. */
export interface LogEnd extends LogPosition {
  readonly log: Identity | null;
}

/** Where logs can at most agree: the last index of an epoch. */
export interface EpochEnd {
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
 * A voters list and the index of the record that holds it; index 0 and no voters when the log has
 * none.
 */
export interface MembersPlace {
  readonly index: number;
  readonly members: MembersControl | null;
}

export class LogOutline {
  /** Index of the last record; 0: the log is empty. */
  lastIndex = 0;
  /** Ascending by index and by epoch. */
  private readonly epochs: EpochStart[] = [];
  /** Ascending by index. */
  private readonly controls: ControlPlace[] = [];
  /** Undefined: to be made out anew. */
  private knownIdentity: Identity | null | undefined = null;

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
   * Which log this is, as far as its records say: the reign of its first one, and those of its
   * forced lists. Null for a log without records.
   */
  get identity(): Identity | null {
    if (this.knownIdentity === undefined) this.knownIdentity = this.makeOutIdentity();
    return this.knownIdentity;
  }

  /** Would this record be the next one? */
  isFollowedBy({ index, epoch, seq, control }: Pick<LogRecord, 'index' | 'epoch' | 'seq' | 'control'>): boolean {
    const expectedSeq = control === null ? this.lastSeq + 1 : this.lastSeq;
    return index === this.lastIndex + 1 && epoch >= this.lastEpoch && seq === expectedSeq;
  }

  /** Takes the next record. Throws when it does not follow the last one. */
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

  /** Reign that wrote the record at `index`; '' for none. */
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
    // Control records before an entry push its index up; one pass settles which of them are before
    // it.
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

  /** The newest voters list. */
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

  /** Who began the log, as its first record says; null: it has none, or that does not say so. */
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

  /** Is the record at that place here, with that very epoch? Then the logs are equal up to it. */
  has({ index, epoch, reign }: LogPosition): boolean {
    return this.epochAt(index) === epoch && this.reignAt(index) === reign;
  }

  /**
   * Where this log and one whose last common candidate is `position` can at most agree: null when
   * the logs are equal up to it; else the largest epoch here that is not above `position.epoch`,
   * and not the same number of another reign, and the last index of it.
   */
  partingPoint(position: LogPosition): EpochEnd | null {
    if (this.has(position)) return null;
    const end = this.endOfEpoch(position.epoch);
    const isOther = end.epoch === position.epoch && end.reign !== position.reign;
    const { epoch, reign, index } = isOther ? this.endOfEpoch(position.epoch - 1) : end;
    return { endEpoch: epoch, endReign: reign, endIndex: index };
  }

  /**
   * Where to cut this log so that it can agree with one that answered `diverged`: the follower's
   * half of KIP-595's truncation.
   */
  cutFor({ endEpoch, endReign, endIndex }: EpochEnd): number {
    const own = this.endOfEpoch(endEpoch);
    if (own.epoch !== endEpoch) return own.index;
    return own.reign === endReign ? Math.min(own.index, endIndex) : this.endOfEpoch(endEpoch - 1).index;
  }

  /**
   * The largest epoch of this log that is not above `epoch`, and its last index; {0, 0} when there
   * is none.
   */
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
    // A forced reign marks its first record and its list.
    return [...new Set(forced)].reduce(branchOf, first.reign);
  }

  private forcedPlaces(): ControlPlace[] {
    return this.controls.filter(({ control }) => control.forced === true);
  }

  toString(): string {
    return `log ${this.lastIndex}@${this.lastEpoch} seq ${this.lastSeq}`;
  }
}

/** An outline to read from: everything but what changes it. */
export type OutlineView = Omit<LogOutline, 'append' | 'truncateAfter'>;

/**
 * Raft's comparison of two logs by their ends (§5.4.1): is `ours` at least as up to date as
 * `theirs`? A later branch of a log is ahead of what it branched from, whatever the epochs there
 * have come to. One number of two reigns compares with nothing, nor do two logs: neither is.
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

/** Makes records that follow one another, for the tests of the log stores. */
import { generatedId } from '#protocol/entry';
import { controlRecord, entryRecord, type LogRecord } from '#protocol/record';

export const NO_LIMITS = { to: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER, maxRecords: 1_000_000 };

interface NextEntry {
  readonly message?: string;
  /** Left out: a generated one. */
  readonly id?: string;
}

/** A log as it grows in a test: each call gives the next record. */
export class RecordSource {
  epoch = 0;
  index = 0;
  seq = 0;

  get reign(): string {
    return this.epoch.toString(16).padStart(16, '0');
  }

  /** Opens the next epoch. */
  epochRecord(): LogRecord {
    this.epoch += 1;
    this.index += 1;
    const control = { control: 'epoch', reign: this.reign, node: 'master', store: 's1' } as const;
    return controlRecord({ index: this.index, epoch: this.epoch, seq: this.seq }, control);
  }

  membersRecord(members: readonly string[]): LogRecord {
    this.index += 1;
    const control = { control: 'members', voters: [{ node: 'master', store: 's1' }], members } as const;
    return controlRecord({ index: this.index, epoch: this.epoch, seq: this.seq }, control);
  }

  /** The list of a force: with the reign of the epoch begins a branch. */
  forcedRecord(members: readonly string[]): LogRecord {
    this.index += 1;
    const voters = [{ node: 'master', store: 's1' }];
    const control = { control: 'members', voters, members, forced: true } as const;
    return controlRecord({ index: this.index, epoch: this.epoch, seq: this.seq }, control);
  }

  entry({ message = `message ${this.seq + 1}`, id }: NextEntry = {}): LogRecord {
    if (this.epoch === 0) this.epoch = 1;
    this.index += 1;
    this.seq += 1;
    const ts = '2026-01-01T00:00:00.000Z';
    const { epoch, seq } = this;
    return entryRecord(this.index, { seq, epoch, id: id ?? generatedId(this.reign, seq), ts, message });
  }

  entries(count: number, next: (at: number) => NextEntry = () => ({})): LogRecord[] {
    return Array.from({ length: count }, (_, at) => this.entry(next(at)));
  }

  /**
   * Goes back to behind `record`; null: to an empty log. The epoch stays, as after a truncation.
   */
  backTo(record: LogRecord | null): void {
    this.index = record?.index ?? 0;
    this.seq = record?.seq ?? 0;
  }
}

/**
 * What the clients asked for and what they were told, judged against the logs; every append carries
 * a text that no other has, so an entry tells where it comes from. Throws at the first breach:
 *
 * S4  an append answered with w ≥ m is in the log at the end, with the seq that was told; with any w where one master keeps its disk
 * S5  one id, one text: one entry
 * S7  an append of which every attempt was refused is in no log, now or later
 *     an append has a higher seq than any that was acknowledged with w ≥ m before it was begun; one id is told one seq
 * The same class judges a simulated run and one of real processes. What was promised may be given
 * up (promise-ledger.ts): then only S7 is left of this, and nothing when a disk was set back.
 */
import type { Entry } from '#protocol/entry';
import { PromiseLedger } from './promise-ledger';
import { Violation } from './violation';

/**
 * One append of a client, however often tried: its texts are new, and all of them are appended or
 * none.
 */
export interface Operation {
  readonly texts: readonly string[];
  /** Highest seq that was safely acknowledged when it was first tried. */
  readonly floor: number;
  attempts: number;
  refusals: number;
  /** Seq of its last entry as told with w ≥ m; 0: not yet. */
  seq: number;
}

interface Acknowledgement {
  /** Of the last entry. */
  readonly seq: number;
  /** Promised to survive: w ≥ m, or nothing is lost in this run. */
  readonly isSafe: boolean;
}

export class History {
  acknowledged = 0;
  refused = 0;
  unknown = 0;
  private readonly operations = new Map<string, Operation>();
  private readonly appeared = new Set<string>();
  private highestSafe = 0;

  constructor(private readonly ledger = new PromiseLedger()) {}

  begin(texts: readonly string[]): Operation {
    const operation = { texts, floor: this.highestSafe, attempts: 0, refusals: 0, seq: 0 };
    for (const text of texts) this.operations.set(text, operation);
    return operation;
  }

  try(operation: Operation): void {
    operation.attempts += 1;
  }

  /** The attempt is in no log. */
  recordRefused(operation: Operation): void {
    this.refused += 1;
    operation.refusals += 1;
    if (!this.ledger.remembers) return;
    for (const text of operation.texts) if (this.appeared.has(text)) this.checkOrigin(text, operation);
  }

  recordUnknown(): void {
    this.unknown += 1;
  }

  recordAcknowledged(operation: Operation, { seq, isSafe }: Acknowledgement): void {
    this.acknowledged += 1;
    if (!isSafe || !this.ledger.isPromised) return;
    if (operation.seq !== 0 && operation.seq !== seq)
      throw new Violation('S5', `${operation.texts[0]} is acknowledged as ${operation.seq} and as ${seq}`);
    this.checkFloor(operation, seq - operation.texts.length + 1);
    operation.seq = seq;
    this.highestSafe = Math.max(this.highestSafe, seq);
  }

  /** An entry is in some log. */
  recordEntry({ message }: Entry): void {
    if (!this.ledger.remembers) return;
    const operation = this.operations.get(message);
    if (operation === undefined) throw new Violation('S7', `nobody has asked to append ${message.slice(0, 80)}`);
    this.appeared.add(message);
    this.checkOrigin(message, operation);
  }

  /** Is what was acknowledged of this text still promised? */
  isCurrent(text: string): boolean {
    return this.ledger.isPromised && (this.operations.get(text)?.seq ?? 0) > 0;
  }

  /** Every store was lost at once: nothing is promised of what was before. */
  forget(): void {
    this.highestSafe = 0;
    for (const operation of this.operations.values()) {
      operation.seq = 0;
      Object.assign(operation, { floor: 0 });
    }
  }

  /** The log as it is at the end. */
  judge(log: readonly Entry[]): void {
    const places = new Map<string, number>();
    for (const [at, { seq, message }] of log.entries()) {
      if (seq !== at + 1) throw new Violation('S2', `seq ${seq} is in place ${at + 1}`);
      if (places.has(message)) throw new Violation('S5', `${message} is in the log twice`);
      places.set(message, seq);
      const operation = this.operations.get(message);
      if (operation === undefined) throw new Violation('S7', `nobody has asked to append ${message.slice(0, 80)}`);
      this.checkOrigin(message, operation);
      this.checkFloor(operation, seq);
    }
    for (const operation of this.operations.values()) this.judgeOperation(operation, places);
  }

  private judgeOperation({ texts, seq }: Operation, places: ReadonlyMap<string, number>): void {
    if (seq !== 0) {
      for (const [at, text] of texts.entries()) {
        const expected = seq - texts.length + 1 + at;
        if (places.get(text) !== expected)
          throw new Violation(
            'S4',
            `${text} was acknowledged as ${expected} and is ${places.get(text) ?? 'not there'}`,
          );
      }
    }
  }

  private checkOrigin(text: string, { attempts, refusals }: Operation): void {
    if (refusals >= attempts) throw new Violation('S7', `${text} was refused ${refusals} times, and is in a log`);
  }

  private checkFloor({ floor, texts }: Operation, seq: number): void {
    if (seq <= floor)
      throw new Violation('order', `${texts[0]} has seq ${seq}, and ${floor} was acknowledged before it was begun`);
  }
}

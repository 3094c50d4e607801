/**
 * A random history of a log store and the oracle of what a crash may leave of it: the operations up
 * to some point, all that resolved among them, and a part of the next one: a prefix of its records,
 * or for a truncation any cut between the old end and the new one.
 */

import { branchOf, type Identity, isPrefixOf, longerOf } from '#protocol/identity';
import { NO_PROMISE, type Promised } from '#protocol/promised';
import type { LogRecord } from '#protocol/record';
import type { LogStore } from '#storage/log-store';
import { RecordSource } from '#tests/contract/log-records';
import { checksumOf, readAll } from '#tests/contract/log-store';
import type { Random } from './crashing-file-system';

/** Reign of the first epoch record of a `RecordSource`. */
const LOG_ID = '0000000000000001';

type LogOperation = { readonly append: readonly LogRecord[] } | { readonly truncateAfter: number };

export class CrashHistory {
  readonly operations: LogOperation[] = [];
  /** Log operations that resolved, from the first on. */
  resolved = 0;
  readonly promises: Promised[] = [NO_PROMISE];
  promisesResolved = 1;
  /** Of the last promise, and the index that no truncation may pass. */
  private identity: Identity | null = null;
  private commit = 0;
  private readonly source = new RecordSource();
  private log: LogRecord[] = [];
  private idCount = 0;

  constructor(private readonly random: Random) {}

  /**
   * Does `steps` random things to the store; ends early, without a rejection, when the store fails.
   */
  async run(store: LogStore, steps: number): Promise<void> {
    let waits: Promise<void>[] = [];
    for (let step = 0; step < steps; step += 1) {
      waits.push(this.doOne(store).catch(() => undefined));
      if (this.random() < 0.6) {
        await Promise.all(waits);
        waits = [];
      }
    }
    await Promise.all(waits);
  }

  /** Throws when the store holds anything that this history cannot have left. */
  async check(store: LogStore): Promise<void> {
    const found = await readAll(store);
    if (!this.mayLeave(found)) {
      throw new Error(
        `a log of ${found.length} records after ${this.resolved} of ${this.operations.length} operations`,
      );
    }
    const { durableIndex, checksum, opened } = store;
    if (durableIndex !== found.length || opened.lastIndex !== found.length) throw new Error(`ends at ${durableIndex}`);
    if (checksum !== checksumOf(found)) throw new Error('another checksum');
    const allowed = this.promises.slice(this.promisesResolved - 1);
    if (!allowed.some((promised) => withoutIdentity(promised) === withoutIdentity(store.promised)))
      throw new Error(`promised ${JSON.stringify(store.promised)}`);
    this.checkIdentity(store, allowed);
    this.checkIds(store, found);
  }

  /** Goes on from what the store holds now. */
  async adopt(store: LogStore): Promise<void> {
    this.log = await readAll(store);
    this.operations.splice(0, this.operations.length, { append: [...this.log] });
    this.resolved = 1;
    this.promises.splice(0, this.promises.length, store.promised);
    this.promisesResolved = 1;
    this.identity = store.promised.identity;
    this.commit = store.promised.commit;
    this.backTo(this.log.at(-1) ?? null);
    // A truncation of the whole log may not have come to the disk.
    this.source.epoch = Math.max(this.source.epoch, this.log.at(-1)?.epoch ?? 0);
  }

  private mayLeave(found: readonly LogRecord[]): boolean {
    let state: readonly LogRecord[] = [];
    for (let done = 0; done <= this.operations.length; done += 1) {
      const next = this.operations[done];
      if (done >= this.resolved && isPartly(found, state, next)) return true;
      if (next !== undefined)
        state = 'append' in next ? [...state, ...next.append] : state.slice(0, next.truncateAfter);
    }
    return false;
  }

  /**
   * At least what was resolved and what the records say, at most what was asked or what they say.
   */
  private checkIdentity(store: LogStore, allowed: readonly Promised[]): void {
    const { identity } = store.promised;
    const least = longerOf(allowed[0]?.identity ?? null, store.opened.identity);
    const most = longerOf(allowed.at(-1)?.identity ?? null, store.opened.identity);
    if (!isPrefixOf(least, identity) || !isPrefixOf(identity, most)) {
      throw new Error(`identity ${identity}, which is not between ${least} and ${most}`);
    }
  }

  private checkIds(store: LogStore, found: readonly LogRecord[]): void {
    const seqs = new Map(found.map(({ id, seq }) => [id, seq]));
    for (const operation of this.operations) {
      if (!('append' in operation)) continue;
      for (const { id } of operation.append) {
        if (id === null) continue;
        const expected = seqs.get(id) ?? null;
        if (store.seqOfId(id) !== expected && !/^[0-9a-f]{16}-/.test(id)) {
          throw new Error(`id ${id} is at ${store.seqOfId(id)}, not at ${expected}`);
        }
      }
    }
  }

  private doOne(store: LogStore): Promise<void> {
    const what = this.random();
    if (what < 0.15) return this.savePromise(store);
    if (what < 0.27 && this.log.length > 0) return this.truncate(store);
    const records = this.nextRecords();
    this.log.push(...records);
    return this.follow({ append: records }, store.append(records));
  }

  private nextRecords(): LogRecord[] {
    if (this.log.length === 0 || this.random() < 0.1) return [this.source.epochRecord()];
    return this.source.entries(1 + Math.floor(this.random() * 5), () => {
      this.idCount += 1;
      const message = 'm'.repeat(Math.floor(this.random() ** 4 * 900));
      return this.random() < 0.5 ? { message } : { id: `client-${this.idCount}`, message };
    });
  }

  private truncate(store: LogStore): Promise<void> {
    const truncateAfter = Math.max(this.commit, this.log.length - 1 - Math.floor(this.random() ** 2 * 12));
    this.log = this.log.slice(0, truncateAfter);
    this.backTo(this.log.at(-1) ?? null);
    return this.follow({ truncateAfter }, store.truncateAfter(truncateAfter));
  }

  /** A log that is written anew from record 1 on is the same log. */
  private backTo(record: LogRecord | null): void {
    this.source.backTo(record);
    if (record === null) this.source.epoch = 0;
  }

  private async savePromise(store: LogStore): Promise<void> {
    const votedFor = this.random() < 0.5 ? null : 'a/s';
    if (this.random() < 0.25)
      this.identity = this.identity === null ? LOG_ID : branchOf(this.identity, `b${this.promises.length}`);
    const isSettled = this.resolved === this.operations.length;
    if (isSettled && this.random() < 0.5) this.commit = this.log.length;
    const { identity, commit } = this;
    const promised: Promised = { epoch: this.promises.length, reign: 'r', votedFor, log: identity, identity, commit };
    const place = this.promises.push(promised);
    await store.savePromise(promised);
    this.promisesResolved = Math.max(this.promisesResolved, place);
  }

  private async follow(operation: LogOperation, done: Promise<void>): Promise<void> {
    const place = this.operations.push(operation);
    await done;
    this.resolved = Math.max(this.resolved, place);
  }
}

function withoutIdentity({ identity: _, ...others }: Promised): string {
  return JSON.stringify(others);
}

function isPartly(found: readonly LogRecord[], state: readonly LogRecord[], next: LogOperation | undefined): boolean {
  const longest = next !== undefined && 'append' in next ? [...state, ...next.append] : state;
  const least =
    next !== undefined && 'truncateAfter' in next ? Math.min(next.truncateAfter, state.length) : state.length;
  if (found.length < least || found.length > longest.length) return false;
  return found.every((record, at) => Buffer.compare(record.bytes, longest[at]?.bytes ?? Buffer.alloc(0)) === 0);
}

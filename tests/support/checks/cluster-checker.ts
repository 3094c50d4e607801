/**
 * Looks at a whole simulated cluster after everything that happens in it, and throws at the first breach of what a log promises:
 *
 * - log matching: the records of one index and epoch are the same on every disk, and so are those before them;
 * - what a reader of any node sees are the entries 1…k, without gap or duplicate;
 * - commit never moves back, no two nodes commit different entries under one seq, a committed entry is never cut;
 * - an append that is acknowledged with w is on the disks of w nodes, with the seq that its client was told;
 * - an append that was refused is on no disk, then or later.
 *
 * It knows nothing of how the machines work: it reads disks, positions and answers.
 */
import { entryOf, type LogRecord } from '#protocol/record';
import type { SimCluster } from '../fakes/sim-cluster';

interface Watched {
  records: readonly LogRecord[];
  /** What was on the disk when it was last looked at. */
  seen: LogRecord[];
  /** What was on its disks that are lost. */
  readonly lost: LogRecord[][];
  machine: object | null;
  /** Seq up to which this start of the node has called its entries committed. */
  commit: number;
}

export class ClusterChecker {
  /** Entries that were cut off a disk. */
  cuts = 0;
  /** Text of the line of each (index, epoch), with the epoch of the record before it. */
  private readonly lines = new Map<string, string>();
  /** Line of each seq that some node has called committed. */
  private readonly committed = new Map<number, string>();
  private readonly watched = new Map<string, Watched>();
  private readonly messageOfRequest = new Map<number, string>();
  private readonly repeats = new Set<number>();
  private readonly refused = new Set<string>();
  private answersSeen = 0;

  constructor(
    private readonly cluster: SimCluster,
    private readonly nodes: readonly string[],
  ) {
    cluster.timeline.observer = () => this.look();
  }

  /**
   * The client of `request` has asked to append `message`; no other client uses the same text. When it asks again for an append whose
   * end it does not know, a refusal says nothing about the entry of the first.
   */
  expect(request: number, { message, isRepeat }: { readonly message: string; readonly isRepeat: boolean }): void {
    if (isRepeat) this.repeats.add(request);
    this.messageOfRequest.set(request, message);
    this.look();
  }

  look(): void {
    for (const node of this.nodes) this.lookAt(node);
    if (this.cluster.answers.size === this.answersSeen) return;
    const fresh = [...this.cluster.answers.keys()].slice(this.answersSeen);
    const known = fresh.filter((request) => this.messageOfRequest.has(request));
    if (known.length < fresh.length) return;
    this.answersSeen = this.cluster.answers.size;
    for (const request of fresh) this.checkAnswer(request);
  }

  private lookAt(node: string): void {
    const watched = this.watchedOf(node);
    this.checkDisk(node, watched);
    const machine = this.cluster.runningMachine(node);
    if (machine === null) return;
    if (machine !== watched.machine) {
      watched.machine = machine;
      watched.commit = 0;
    }
    if (machine.durableIndex > watched.seen.length)
      this.breach(`${node} shows ${machine.durableIndex} records, and has ${watched.seen.length}`);
    this.checkCommit(node, watched, machine.commit);
  }

  private checkDisk(node: string, watched: Watched): void {
    const records = this.cluster.recordsOf(node);
    if (watched.records !== records) {
      // Another disk is in its place: nothing was cut, it is lost.
      watched.records = records;
      if (watched.seen.length > 0) watched.lost.push(watched.seen);
      watched.seen = [];
    }
    const { seen } = watched;
    if (seen.length === records.length && seen.at(-1) === records.at(-1)) return;
    while (seen.length > 0 && records[seen.length - 1] !== seen.at(-1)) this.cut(node, seen.pop());
    for (const record of records.slice(seen.length)) {
      this.checkRecord(node, record, seen.at(-1));
      seen.push(record);
    }
  }

  private cut(node: string, record: LogRecord | undefined): void {
    if (record === undefined || record.control !== null) return;
    this.cuts += 1;
    if (this.committed.get(record.seq) === lineOf(record))
      this.breach(`${node} cuts the committed entry ${record.seq}`);
  }

  private checkRecord(node: string, record: LogRecord, before: LogRecord | undefined): void {
    const { index, epoch, seq, control } = record;
    const expectedSeq = (before?.seq ?? 0) + (control === null ? 1 : 0);
    if (index !== (before?.index ?? 0) + 1 || seq !== expectedSeq || epoch < (before?.epoch ?? 0))
      this.breach(`${node} has index ${index}, seq ${seq}, epoch ${epoch} after ${JSON.stringify(before)}`);
    const key = `${index}@${epoch}`;
    const line = `${before?.epoch ?? 0}|${lineOf(record)}`;
    const known = this.lines.get(key);
    if (known !== undefined && known !== line) this.breach(`${key} is ${line} on ${node} and was ${known}`);
    this.lines.set(key, line);
    if (control === null && this.refused.has(entryOf(record.bytes).message))
      this.breach(`${node} has an entry that was refused: ${line}`);
  }

  private checkCommit(node: string, watched: Watched, commit: number): void {
    if (commit < watched.commit) this.breach(`${node} moves commit back from ${watched.commit} to ${commit}`);
    for (let seq = watched.commit + 1; seq <= commit; seq += 1) this.commit(node, seq);
    watched.commit = commit;
  }

  private commit(by: string, seq: number): void {
    const record = entryWith(this.watchedOf(by).seen, seq);
    if (record === null) return this.breach(`${by} commits entry ${seq}, which it does not have`);
    const line = lineOf(record);
    const known = this.committed.get(seq);
    if (known !== undefined && known !== line) this.breach(`${by} commits ${line} where ${known} was committed`);
    this.committed.set(seq, line);
  }

  private checkAnswer(request: number): void {
    const answer = this.cluster.answers.get(request);
    const message = this.messageOfRequest.get(request) ?? '';
    if (answer?.outcome === 'acknowledged') this.checkAcknowledged(message, answer);
    else if (answer?.outcome === 'unresolved') {
      if (answer.stored === true && this.holders(answer.seq, message) === 0)
        this.breach(`${message} is said to be stored as ${answer.seq}, and is on no disk`);
    } else if (!this.repeats.has(request)) {
      this.refused.add(message);
      const holder = this.nodes.find((node) => this.has(node, message));
      if (holder !== undefined) this.breach(`${message} was refused, and ${holder} has it`);
    }
  }

  private checkAcknowledged(message: string, answer: { seq: number; w: number; acks: readonly string[] }): void {
    const { seq, w, acks } = answer;
    const holders = this.holders(seq, message);
    if (holders < w) this.breach(`${message} is acknowledged with w=${w} as ${seq}, and was on ${holders} disks`);
    if (acks.length < w || new Set(acks).size < acks.length) this.breach(`w=${w} with the acks of ${acks.join(' ')}`);
  }

  private holders(seq: number, message: string): number {
    const isIt = (records: readonly LogRecord[]): boolean => {
      const record = entryWith(records, seq);
      return record !== null && entryOf(record.bytes).message === message;
    };
    return this.nodes.filter((node) => {
      const { seen, lost } = this.watchedOf(node);
      return isIt(seen) || lost.some(isIt);
    }).length;
  }

  private has(node: string, message: string): boolean {
    return this.watchedOf(node).seen.some(
      (record) => record.control === null && entryOf(record.bytes).message === message,
    );
  }

  private watchedOf(node: string): Watched {
    const known = this.watched.get(node);
    if (known !== undefined) return known;
    const fresh: Watched = { records: [], seen: [], lost: [], machine: null, commit: 0 };
    this.watched.set(node, fresh);
    return fresh;
  }

  private breach(what: string): never {
    throw new Error(`seed ${this.cluster.random.seed}, t=${this.cluster.now}: ${what}\n${this.cluster}`);
  }
}

function entryWith(records: readonly LogRecord[], seq: number): LogRecord | null {
  // No entry is before the index of its seq; behind it by as many control records as came before.
  for (let at = seq - 1; at < records.length; at += 1) {
    const record = records[at];
    if (record !== undefined && record.seq === seq && record.control === null) return record;
  }
  return null;
}

function lineOf({ bytes }: LogRecord): string {
  return Buffer.from(bytes).toString();
}

/**
 * Readers of a run. They look at what a node shows as its HTTP edge would, and throw when that does
 * not fit what they saw before (S9):
 *
 * tails     follow the log over any nodes by resume tokens: their copy is what the node shows, whenever a node lets them go on; what a node cuts they are
 *           told, and nothing that their token calls committed is cut in the same branch. In the end they have the whole log
 * commits   read what is committed at any node: per log it never goes back further than what was asked for (minSeq), and never changes
 * expected  whoever was told of an entry with w ≥ m finds it at any node that calls its seq committed
 */
import { type Identity, isPrefixOf } from '#protocol/identity';
import { entryOf, type LogRecord } from '#protocol/record';
import { judge, type ResumePlace, type ResumeToken, tokenAt } from '#protocol/resume-token';
import type { SeededRandom } from '#tests/support/seeded-random';
import { isSame, lineOf } from '../model/records';
import type { SimProcess } from '../model/sim-process';
import type { World } from '../model/world';
import type { History } from './history';
import type { PromiseLedger } from './promise-ledger';
import { Violation } from './violation';

interface Expected {
  readonly seq: number;
  readonly text: string;
  /** In which it was acknowledged. */
  readonly log: Identity | null;
}

/** How long somebody looks for what was acknowledged. */
const READ_MS = 2_000;
const LOOK_MS = 50;
/** Mean time between two reads of a tail, or of what is committed. */
const THINK_MS = 300;
const TAILS = 2;

export class Readers {
  /** Reads that had something to compare. */
  reads = 0;
  private isOver = false;
  private readonly tails: Tail[];
  private readonly commits = new Map<Identity, LogRecord[]>();

  constructor(
    private readonly world: World,
    private readonly history: History,
    private readonly ledger: PromiseLedger,
    private readonly random: SeededRandom,
    private readonly nodes: readonly string[],
  ) {
    this.tails = Array.from({ length: TAILS }, () => new Tail(ledger));
  }

  start(): void {
    for (const tail of this.tails) this.think((process) => tail.contact(process, 1 + this.random.below(200)));
    this.think((process) => this.readCommitted(process));
  }

  stop(): void {
    this.isOver = true;
  }

  /** Everything was lost at once, and another log begins. */
  forget(): void {
    this.commits.clear();
  }

  /** As soon as the node knows the entry as committed, it is this one. */
  expect(node: string, expected: Expected): void {
    const deadline = this.world.now + READ_MS;
    const look = (): void => {
      const process = this.world.processes.get(node);
      if (process !== undefined && process.shown.commit >= expected.seq) return this.compare(process, expected);
      if (this.world.now < deadline && !this.isOver) this.world.timeline.after(LOOK_MS, look);
    };
    look();
  }

  /** The healed cluster: every tail goes on at this node, and has the whole log then. */
  judge(process: SimProcess): void {
    for (const tail of this.tails) tail.finish(process);
  }

  private think(read: (process: SimProcess) => void): void {
    this.world.timeline.after(1 + this.random.below(2 * THINK_MS), () => {
      if (this.isOver || !this.ledger.remembers) return;
      const process = this.world.processes.get(this.random.pick(this.nodes));
      if (process !== undefined) {
        this.reads += 1;
        read(process);
      }
      this.think(read);
    });
  }

  private compare({ node, shown: view, disk }: SimProcess, { seq, text, log }: Expected): void {
    if (view.outline.identity !== log) return;
    const record = disk.platter[(view.outline.indexOf(seq) ?? 0) - 1];
    const shown = record === undefined ? null : entryOf(record.bytes).message;
    this.reads += 1;
    if (shown !== text && this.history.isCurrent(text))
      throw new Violation('S9', `${node} shows ${shown} at ${seq}, where ${text} was safely acknowledged`);
  }

  /**
   * A node whose records lag behind the branch that it knows of does not say what is committed in
   * that.
   */
  private readCommitted({ node, shown, disk }: SimProcess): void {
    const log = shown.identity;
    if (log === null || shown.outline.identity !== log) return;
    const read = this.commits.get(log) ?? [];
    this.commits.set(log, read);
    // Asked for at least what was read before: a node that does not know as much says so.
    if (shown.commit < read.length) return;
    for (const [at, record] of entriesOf(disk.platter, shown.commit).entries()) {
      const former = read[at];
      if (former === undefined) read.push(record);
      else if (!isSame(former, record))
        throw new Violation('S9', `${node} shows ${lineOf(record)} where ${lineOf(former)} was read as committed`);
    }
  }
}

/** One reader that follows the log by token. */
class Tail {
  private readonly copy: LogRecord[] = [];
  private token: ResumeToken | null = null;

  constructor(private readonly ledger: PromiseLedger) {}

  contact(process: SimProcess, limit: number): void {
    const { shown: view, disk, node } = process;
    const place = placeAt(process);
    if (place.log === null) return;
    if (this.token !== null) {
      const verdict = judge(this.token, place, view.outline);
      if (verdict.verdict === 'wait') return;
      if (verdict.verdict === 'reset') this.reset(node, this.token, { ...verdict, log: place.log });
    }
    const shown = entriesOf(disk.platter, place.head);
    this.copy.push(...shown.slice(this.copy.length, this.copy.length + limit));
    for (const [at, record] of this.copy.entries()) {
      const own = shown[at];
      if (own === undefined || !isSame(own, record))
        throw new Violation(
          'S9',
          `a tail has ${lineOf(record)} at ${at + 1}, and goes on at ${node}, which shows ${own === undefined ? 'nothing' : lineOf(own)}`,
        );
    }
    this.token = tokenAt(this.copy.length, place, view.outline);
  }

  finish(process: SimProcess): void {
    this.contact(process, Number.POSITIVE_INFINITY);
    const { head } = placeAt(process);
    if (this.copy.length !== head)
      throw new Violation(
        'S9',
        `a tail has ${this.copy.length} entries and waits at ${process.node}, which has ${head}`,
      );
  }

  private reset(
    node: string,
    token: ResumeToken,
    { from, reason, log }: { readonly from: number; readonly reason: string; readonly log: Identity },
  ): void {
    const isSameBranch = log === token.log;
    if (this.ledger.isPromised && isSameBranch && from <= token.commit)
      throw new Violation(
        'S9',
        `a tail is told by ${node} to drop ${from} (${reason}), and knows ${token.commit} as committed`,
      );
    if (reason === 'cut' && !isPrefixOf(token.log, log))
      throw new Violation('S9', `a tail of ${token.log} is told by ${node} that ${log} was cut`);
    this.copy.length = Math.min(this.copy.length, from - 1);
  }
}

function placeAt({ shown }: SimProcess): ResumePlace & { readonly log: Identity | null } {
  const { outline, durableIndex, commit } = shown;
  return { log: outline.identity, head: outline.seqAt(durableIndex), commit, logHead: null };
}

/** The first `count` entries of a log. */
function entriesOf(log: readonly LogRecord[], count: number): LogRecord[] {
  const entries: LogRecord[] = [];
  for (const record of log) {
    if (entries.length >= count) break;
    if (record.control === null) entries.push(record);
  }
  return entries;
}

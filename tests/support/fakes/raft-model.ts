/**
 * A few nodes that follow Raft's rules in the plainest form, and a reader that follows them by
 * resume tokens: the oracle for the tokens. Logs are lists, every rule is a loop over them.
 */
import { LogOutline } from '#protocol/log/outline';
import type { Control } from '#protocol/record';
import {
  judge,
  parseResumePoint,
  type ResumePlace,
  type ResumeVerdict,
  tokenAt,
  tokenText,
} from '#protocol/resume-token';

interface ModelRecord {
  readonly index: number;
  readonly epoch: number;
  readonly seq: number;
  readonly control: Control | null;
}

export class ModelNode {
  log: ModelRecord[] = [];
  /** An index. */
  commit = 0;
  promised = 0;
  /** Epoch in which it leads; 0: it does not. */
  leads = 0;
  outline = new LogOutline();

  constructor(readonly name: string) {}

  get entries(): readonly ModelRecord[] {
    return this.log.filter(({ control }) => control === null);
  }

  get place(): ResumePlace {
    const { outline, commit } = this;
    return { log: outline.identity, head: outline.lastSeq, commit: outline.seqAt(commit), logHead: null };
  }

  push(record: ModelRecord): void {
    this.log.push(record);
    this.outline.append(record);
  }

  append(control: Control | null = null): void {
    const last = this.log.at(-1) ?? { index: 0, seq: 0 };
    this.push({ index: last.index + 1, epoch: this.leads, seq: last.seq + (control === null ? 1 : 0), control });
  }

  isAtLeast(other: ModelNode): boolean {
    const [ours, theirs] = [this.log.at(-1)?.epoch ?? 0, other.log.at(-1)?.epoch ?? 0];
    return ours > theirs || (ours === theirs && this.log.length >= other.log.length);
  }
}

/** What a reader did that it must not do. */
class ReaderFault extends Error {}

/** One client, at one node at a time. Every event that it takes is checked. */
class ModelReader {
  held: ModelRecord[] = [];
  resets = 0;
  private lastId: string | null = null;
  private node: ModelNode | null = null;
  /** Null: not judged yet. */
  private next: number | null = null;
  private owed = false;

  constructor(private readonly commitHolds: boolean) {}

  connect(node: ModelNode): void {
    this.node = node;
    this.next = this.lastId === null ? 1 : null;
    this.owed = false;
  }

  /** The node has cut its log back to this seq. */
  cut(node: ModelNode, head: number): void {
    if (node !== this.node || this.next === null || this.next <= head + 1) return;
    this.next = head + 1;
    this.owed = true;
  }

  /** Takes up to `count` entries. */
  take(count: number): void {
    const { node } = this;
    if (node === null || !this.hasResumed(node)) return;
    if (this.owed) this.reset(node, this.next ?? 1);
    this.owed = false;
    for (let taken = 0; taken < count && (this.next ?? 1) <= node.place.head; taken += 1) {
      const entry = node.entries[(this.next ?? 1) - 1];
      if (entry === undefined) throw new ReaderFault(`${node.name} lacks ${this.next}`);
      if (entry.seq !== this.held.length + 1) throw new ReaderFault(`${entry.seq} came after ${this.held.length}`);
      this.held.push(entry);
      this.next = entry.seq + 1;
      this.lastId = idAt(node, entry.seq);
      this.check(node);
    }
  }

  private hasResumed(node: ModelNode): boolean {
    if (this.next !== null) return true;
    const point = parseResumePoint(this.lastId ?? '');
    if (point?.kind !== 'token') throw new ReaderFault(`${this.lastId} is no token`);
    const verdict: ResumeVerdict = judge(point.token, node.place, node.outline);
    if (verdict.verdict === 'wait') return false;
    this.next = verdict.from;
    if (verdict.verdict === 'goOn') this.check(node);
    else if (this.commitHolds && verdict.from <= point.token.commit)
      throw new ReaderFault(`${verdict.from} is committed, says ${this.lastId}`);
    else this.reset(node, verdict.from);
    return true;
  }

  private reset(node: ModelNode, from: number): void {
    this.resets += 1;
    this.held = this.held.filter(({ seq }) => seq < from);
    if (this.held.length !== from - 1) throw new ReaderFault(`reset to ${from} with ${this.held.length} entries`);
    this.lastId = idAt(node, from - 1);
    this.check(node);
  }

  /** What it holds must be what its node's log says. */
  private check(node: ModelNode): void {
    const theirs = node.entries;
    const differs = this.held.find((entry, at) => theirs[at]?.epoch !== entry.epoch);
    if (differs !== undefined)
      throw new ReaderFault(`${differs.seq}@${differs.epoch} is not in the log of ${node.name}`);
  }
}

function idAt(node: ModelNode, seq: number): string {
  const token = tokenAt(seq, node.place, node.outline);
  if (token === null) throw new ReaderFault(`${node.name} has no entry ${seq}`);
  return tokenText(token);
}

export class RaftModel {
  readonly nodes: readonly ModelNode[];
  readonly reader: ModelReader;
  private epoch = 0;

  /** @param forces whether lists may be forced, which gives up what was committed */
  constructor(
    count: number,
    private readonly forces: boolean,
  ) {
    this.nodes = Array.from({ length: count }, (_, at) => new ModelNode(`n${at}`));
    this.reader = new ModelReader(!forces);
    const [first] = this.nodes;
    this.epoch = 1;
    if (first !== undefined) this.begin(first);
  }

  get majority(): number {
    return Math.floor(this.nodes.length / 2) + 1;
  }

  /**
   * `candidate` asks `voters`, itself among them. The first node is born with the log, the others
   * blank.
   */
  elect(candidate: ModelNode, voters: readonly ModelNode[]): boolean {
    if (candidate.log.length === 0) return false;
    this.epoch += 1;
    candidate.promised = this.epoch;
    candidate.leads = 0;
    const granted = voters.filter((voter) => voter === candidate || this.grants(voter, candidate));
    for (const voter of granted) [voter.promised, voter.leads] = [this.epoch, 0];
    if (granted.length < this.majority) return false;
    this.begin(candidate);
    return true;
  }

  /** An operator begins a branch from this node's log; who leads on its branch does so no more. */
  force(node: ModelNode): void {
    if (!this.forces || node.log.length === 0) return;
    this.epoch += 1;
    node.promised = this.epoch;
    this.begin(node);
    node.append({ control: 'members', voters: [], members: [], forced: true });
    for (const other of this.nodes) if (other !== node) other.leads = 0;
  }

  /**
   * `leader` brings `node` up to `count` records further: it cuts what parts, and commits what a
   * majority has.
   */
  replicate(leader: ModelNode, node: ModelNode, count: number): void {
    if (leader.leads === 0 || leader === node || node.promised > leader.leads || !follows(node, leader)) return;
    [node.promised, node.leads] = [leader.leads, 0];
    let common = 0;
    while (node.log[common] !== undefined && node.log[common] === leader.log[common]) common += 1;
    if (common < node.log.length) this.cut(node, common);
    for (const record of leader.log.slice(common, common + count)) node.push(record);
    this.commit(leader);
    node.commit = Math.max(node.commit, Math.min(leader.commit, node.log.length));
  }

  /** All nodes that can follow one another do, and all that there is gets committed. */
  heal(leader: ModelNode): void {
    for (const node of this.nodes) if (node !== leader) node.leads = 0;
    leader.append();
    for (let round = 0; round < 2; round += 1)
      for (const node of this.nodes) this.replicate(leader, node, Number.MAX_SAFE_INTEGER);
  }

  private begin(node: ModelNode): void {
    node.leads = this.epoch;
    node.append({ control: 'epoch', reign: `${this.epoch}f`, node: node.name, store: node.name });
  }

  private grants(voter: ModelNode, candidate: ModelNode): boolean {
    return voter.promised < this.epoch && follows(voter, candidate) && candidate.isAtLeast(voter);
  }

  private cut(node: ModelNode, length: number): void {
    if (length < node.commit && !this.forces) throw new Error(`the model cuts ${node.name} below its commit`);
    node.commit = Math.min(node.commit, length);
    node.log.length = length;
    node.outline.truncateAfter(length);
    this.reader.cut(node, node.outline.lastSeq);
  }

  private commit(leader: ModelNode): void {
    for (let index = leader.log.length; index > leader.commit; index -= 1) {
      const record = leader.log[index - 1];
      const holders = this.nodes.filter(({ log }) => log[index - 1] === record).length;
      if (record?.epoch === leader.leads && holders >= this.majority) leader.commit = index;
    }
  }
}

/** Is the log of `node` of the leader's branch, or of one before it? */
function follows(node: ModelNode, leader: ModelNode): boolean {
  const [ours, theirs] = [node.outline.identity, leader.outline.identity];
  return ours === null || ours === theirs || theirs?.startsWith(`${ours}/`) === true;
}

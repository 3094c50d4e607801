/**
 * Faults of a node's folder: it is deleted, replaced by an older copy of itself, or by that of
 * another log. Each counts as a lost disk: one at a time, and only while every member is a voter.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Violation } from '#tests/simulation/checks/violation';
import { type FolderCopy, MASTERS } from '../chaos-cluster';
import type { ChaosParts, ChaosView } from '../view';
import type { Struck } from './fault';
import { segmentsIn } from './foreign-log';

const BACK_MS = 20_000;
const ACKED_MS = 20_000;
/**
 * Entries acknowledged since the copy. Above the tail that the copy itself may have held: clients
 * have few appends open.
 */
const ACKED_SINCE = 20;
const ANSWER_MS = 3_000;

interface Kept extends FolderCopy {
  /** Head of the log when it was made. */
  readonly head: number;
}

export class DiskFaults {
  private readonly copies = new Map<string, Kept>();

  constructor(
    private readonly parts: ChaosParts,
    private readonly view: ChaosView,
  ) {}

  /** Of a secondary that is down, to be put back some time later. */
  keepCopy(node: string): void {
    const { cluster } = this.parts;
    this.copies.set(node, { ...cluster.copyFolder(node), head: this.head() });
  }

  async wipe(node: string): Promise<Struck> {
    const { cluster, random, observer, clock } = this.parts;
    if (!(await this.view.untilAllVote())) return { node, isSeen: false };
    const since = clock();
    const joins = this.view.newStores();
    await cluster.kill(node);
    cluster.wipe(node);
    await pause(random.below(2_000));
    await cluster.start(node);
    // A master tells nobody that its store is another one; that it was gone is seen.
    const isMaster = MASTERS.some((each) => each === node);
    const hasJoined = () => this.view.newStores() > joins;
    return { node, isSeen: await this.view.seen(isMaster ? () => observer.sawTrouble(node, since) : hasJoined) };
  }

  /**
   * A secondary comes back with a folder that lacks what it has acknowledged to the master that
   * still reigns. That master has to notice, and the node to become another store. Where another
   * master reigns by then the node is wiped here: the product does not promise to notice.
   */
  async restoreOlder(node: string): Promise<Struck> {
    const { cluster, random, say } = this.parts;
    if (!(await this.view.untilAllVote())) return { node, isSeen: false };
    if (this.copies.get(node)?.store !== cluster.storeOf(node)) {
      await cluster.kill(node);
      this.keepCopy(node);
      await pause(random.below(1_000));
      await cluster.start(node);
    }
    const copy = this.copies.get(node);
    if (copy === undefined || !(await this.view.seen(() => this.hasAcked(node, copy), ACKED_MS)))
      return { node, isSeen: false };
    // It may have lost its vote with the kill.
    if (!(await this.view.untilAllVote())) return { node, isSeen: false };
    const joins = this.view.newStores();
    const noticed = this.noticed();
    const reign = await this.reign();
    cluster.allowRestart(node, true);
    await cluster.kill(node);
    cluster.putFolder(node, copy.folder);
    this.copies.delete(node);
    await pause(random.below(2_000));
    await cluster.start(node);
    const isBack = () =>
      this.noticed() > noticed && this.view.newStores() > joins && cluster.storeOf(node) !== copy.store;
    const isSeen = await this.view.seen(isBack, BACK_MS);
    cluster.allowRestart(node, false);
    if (!isSeen && cluster.storeOf(node) === copy.store) {
      const isFollowing = (await this.view.health(node))?.status === 'ok';
      if (isFollowing && reign !== null && reign === (await this.reign()))
        throw new Violation('S3', `${node} lacks what it has acknowledged to the master that reigns, which counts it`);
      say(`nobody noticed that ${node} came back with an older folder: it is wiped`);
      await cluster.kill(node);
      cluster.wipe(node);
      await cluster.start(node);
    }
    return { node, isSeen };
  }

  /**
   * A secondary comes back with the folder of another log: it has to say so, serve nobody by
   * mistake, and keep every record that it has (S8).
   */
  async bringForeign(node: string): Promise<Struck> {
    const { cluster, random } = this.parts;
    if (!(await this.view.untilAllVote())) return { node, isSeen: false };
    const { folder } = cluster.foreign;
    await cluster.kill(node);
    cluster.putFolder(node, folder);
    const before = segmentsIn(cluster.dataDirOf(node));
    await cluster.start(node);
    const isShown = await this.view.seen(() => this.isShownForeign(node), BACK_MS);
    const head = this.head();
    await this.checkReads(node, isShown);
    const goesOn = await this.view.seen(() => this.head() > head);
    await pause(random.below(3_000));
    await this.checkReads(node, isShown);
    await cluster.kill(node);
    const after = segmentsIn(cluster.dataDirOf(node));
    for (const [name, text] of before)
      if (after.get(name) !== text)
        throw new Violation('S8', `${node} has changed ${name} of a log that is not its own`);
    if (after.size !== before.size)
      throw new Violation('S8', `${node} has ${after.size} files of records where there were ${before.size}`);
    const joins = this.view.newStores();
    cluster.wipe(node);
    await cluster.start(node);
    const isBack = await this.view.seen(() => this.view.newStores() > joins, BACK_MS);
    return { node, isSeen: isShown && goesOn && isBack };
  }

  /** By the node itself, and by the master. */
  private async isShownForeign(node: string): Promise<boolean> {
    const { log } = this.parts.cluster.foreign;
    const [own, master] = await Promise.all([this.view.health(node), this.view.health(this.view.holder())]);
    const shown = (master?.foreign ?? []) as { id: string; log: string | null }[];
    return own?.status === 'foreign' && own.log === log && shown.some((each) => each.id === node && each.log === log);
  }

  /**
   * Who names the log gets the node's own entries; once it is known to be another one's, nobody
   * else gets any.
   */
  private async checkReads(node: string, isForeign: boolean): Promise<void> {
    const { cluster } = this.parts;
    const { log, entries } = cluster.foreign;
    const named = await cluster.ask(node, { path: `/messages?log=${log}`, withinMs: ANSWER_MS }).catch(() => null);
    if (named !== null && named.text !== JSON.stringify(entries))
      throw new Violation(
        'S8',
        `${node} holds another log, and shows of it: ${named.status} ${named.text.slice(0, 200)}`,
      );
    if (!isForeign) return;
    const plain = await cluster.ask(node, { path: '/messages', withinMs: ANSWER_MS }).catch(() => null);
    if (plain !== null && (plain.status !== 503 || plain.json().type !== '/problems/foreign-log'))
      throw new Violation('S8', `${node} holds another log, and answers: ${plain.status} ${plain.text.slice(0, 200)}`);
  }

  private async hasAcked(node: string, { head }: Kept): Promise<boolean> {
    const members = await this.view.members();
    return (members?.find(({ id }) => id === node)?.acked ?? 0) >= head + ACKED_SINCE;
  }

  /** Who reigns, in which epoch; null: no answer. */
  private async reign(): Promise<string | null> {
    const holder = this.view.holder();
    const health = await this.view.health(holder);
    return health === null ? null : `${holder} ${String(health.epoch)}`;
  }

  private noticed(): number {
    const sentence = 'a store came back with less than it had acknowledged';
    return MASTERS.reduce((sum, master) => sum + this.parts.cluster.everLogged(master, sentence), 0);
  }

  private head(): number {
    const { observer } = this.parts;
    return Math.max(...MASTERS.map((node) => observer.latest(node)?.position ?? 0));
  }
}

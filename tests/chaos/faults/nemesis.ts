/**
 * Who makes trouble in a chaos run: one fault after the other, drawn from the seed, each with a
 * while of rest behind it. A fault counts only when its effect was seen. Stores are wiped one at a
 * time, and only while every member is a voter, so never more than a minority is gone.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'amqplib';
import { LATE, NODES, SECONDARIES } from '../chaos-cluster';
import type { ChaosParts, ChaosView } from '../view';
import { DiskFaults } from './disk-faults';
import { type Fault, KINDS, type Kind, LAST_ACT, NEEDS_ALL, type Struck, WEIGHTS } from './fault';
import { MemberFaults } from './member-faults';

const SESSION_ENDED = 'the session with the broker ended';
const FIRST_MS = 60_000;
/** The late node comes with one of the first faults. */
const LATE_WITHIN = 5;
const COPIED_RATE = 0.5;

export class ChaosNemesis {
  readonly faults: Fault[] = [];

  private readonly disks: DiskFaults;
  private readonly memberFaults: MemberFaults;
  private isWhole = false;

  constructor(
    private readonly parts: ChaosParts,
    private readonly view: ChaosView,
  ) {
    this.disks = new DiskFaults(parts, view);
    this.memberFaults = new MemberFaults(parts, view);
  }

  /** Until that time, by the run's clock, or until something is broken. */
  async run(untilMs: number, isBroken: () => boolean): Promise<void> {
    const { clock, random } = this.parts;
    const drawn = KINDS.filter((kind) => kind in WEIGHTS);
    // Each kind once in a drawn order, so that a short run has some of all; then all of a bag
    // before the next one, so that a long run has many.
    const bag: Kind[] = random.shuffle(drawn);
    bag.splice(bag.length - random.below(LATE_WITHIN), 0, 'late node');
    while (clock() < untilMs && !isBroken()) {
      if (bag.length === 0)
        bag.push(...random.shuffle(Object.entries(WEIGHTS).flatMap(([kind, n]) => Array<Kind>(n).fill(kind as Kind))));
      await this.act(this.draw(bag), (kind) => this.strike(kind));
      await pause(500 + random.below(2_500));
    }
  }

  /** The log has begun, with all that are there: there is something to hurt. */
  async untilBegun(): Promise<void> {
    const names = SECONDARIES.filter((node) => node !== LATE);
    const haveVotes = async () => {
      const members = await this.view.members();
      return names.filter((node) => members?.find(({ id }) => id === node)?.voter).length >= 2;
    };
    if (!(await this.view.seen(haveVotes, FIRST_MS))) throw new Error('the cluster does not come up');
  }

  /** One fault, written down. */
  async act(kind: Kind, strike: (kind: Kind) => Promise<Struck>): Promise<void> {
    const { clock, say } = this.parts;
    const from = clock();
    const { node, isSeen } = await strike(kind);
    this.faults.push({ kind, node, from, until: clock(), isSeen });
    say(`${(from / 1000).toFixed(1)} s  ${kind} ${node}${isSeen ? '' : ' (no effect seen)'}`);
  }

  /** Nothing is wrong any more, and everything is up. */
  async heal(): Promise<void> {
    const { cluster } = this.parts;
    for (const node of NODES) {
      cluster.signal(node, 'SIGCONT');
      cluster.proxyOf(node).heal();
    }
    await Promise.all(NODES.map((node) => cluster.start(node)));
  }

  /**
   * The next one of the bag; while a node has yet to come, the next one that needs no other voters
   * than there are.
   */
  private draw(bag: Kind[]): Kind {
    const at = this.isWhole ? bag.length - 1 : bag.findLastIndex((kind) => !NEEDS_ALL.has(kind));
    return bag.splice(at, 1)[0] as Kind;
  }

  private async strike(kind: Kind): Promise<Struck> {
    const { random } = this.parts;
    const secondary = random.pick(this.isWhole ? SECONDARIES : SECONDARIES.filter((node) => node !== LATE));
    const either = random.chance(0.2) ? this.view.holder() : secondary;
    switch (kind) {
      case 'kill -9 of a secondary':
        return this.kill(secondary);
      case 'kill -9 of the master':
        return this.kill(this.view.holder());
      case 'SIGSTOP and SIGCONT':
        return this.freeze(either);
      case 'broker restart':
      case 'broker kill':
        return this.restartBroker(kind === 'broker restart');
      case 'queue purge':
        return this.purge(secondary);
      case 'queue deletion':
        return this.deleteQueue(secondary);
      case 'connections closed':
        return this.closeConnections(either);
      case 'network cut':
        return this.cut(either);
      case 'network delay':
        return this.delay(either);
      case 'data folder deleted':
        return this.disks.wipe(either);
      case 'older folder restored':
        return this.disks.restoreOlder(secondary);
      case 'folder of another log':
        return this.disks.bringForeign(secondary);
      case 'removal and re-admission':
        return this.memberFaults.removeAndAdmit(secondary);
      case 'late node':
        this.isWhole = true;
        return this.memberFaults.startLate();
      case LAST_ACT:
        throw new Error('the last act is not drawn');
    }
  }

  private async kill(node: string): Promise<Struck> {
    const { cluster, random, observer, clock } = this.parts;
    const since = clock();
    await cluster.kill(node);
    if (SECONDARIES.some((each) => each === node) && random.chance(COPIED_RATE)) this.disks.keepCopy(node);
    await pause(200 + random.below(4_000));
    const isSeen = observer.sawTrouble(node, since);
    await cluster.start(node);
    return { node, isSeen };
  }

  private async freeze(node: string) {
    const { cluster, random, observer, clock } = this.parts;
    const since = clock();
    cluster.signal(node, 'SIGSTOP');
    await pause(2_000 + random.below(5_000));
    cluster.signal(node, 'SIGCONT');
    return { node, isSeen: await this.view.seen(() => observer.sawTrouble(node, since)) };
  }

  private async restartBroker(graceful: boolean) {
    const { cluster, random } = this.parts;
    const ends = this.sessionEnds();
    await (graceful ? cluster.broker.halt() : cluster.broker.kill());
    await pause(random.below(2_000));
    await cluster.broker.start();
    return { node: 'broker', isSeen: await this.view.seen(() => this.sessionEnds() > ends) };
  }

  /** While the node is down, so that there is something to lose. */
  private async purge(node: string) {
    const { cluster, random } = this.parts;
    await cluster.kill(node);
    await pause(1_000 + random.below(1_500));
    const purged = await this.onBroker(async (channel) => {
      const { messageCount } = await channel.purgeQueue(cluster.topology.entriesQueue(node));
      return messageCount;
    });
    await cluster.start(node);
    return { node, isSeen: (purged ?? 0) > 0 };
  }

  private async deleteQueue(node: string) {
    const { cluster } = this.parts;
    const sentence = 'consumption of entries ended, starting again';
    const before = cluster.lineCount(node, sentence);
    await this.onBroker((channel) => channel.deleteQueue(cluster.topology.entriesQueue(node)));
    return { node, isSeen: await this.view.seen(() => cluster.lineCount(node, sentence) > before) };
  }

  private async closeConnections(node: string) {
    const { cluster, random } = this.parts;
    const ends = cluster.lineCount(node, SESSION_ENDED);
    cluster.proxyOf(node).cut(random.chance(0.5) ? 'RST' : 'FIN');
    return { node, isSeen: await this.view.seen(() => cluster.lineCount(node, SESSION_ENDED) > ends) };
  }

  private async cut(node: string) {
    const { cluster, random, observer, clock } = this.parts;
    const since = clock();
    cluster.proxyOf(node).partition();
    await pause(3_000 + random.below(9_000));
    const isSeen = observer.sawTrouble(this.view.holder(), since) || observer.sawTrouble(node, since);
    cluster.proxyOf(node).cut('RST');
    cluster.proxyOf(node).heal();
    return { node, isSeen };
  }

  private async delay(node: string) {
    const { cluster, random, observer, clock } = this.parts;
    const since = clock();
    cluster.proxyOf(node).slow({ delayMs: 800 + random.below(2_500) });
    await pause(2_000 + random.below(4_000));
    cluster.proxyOf(node).heal();
    // A late heartbeat shows as a suspected member, at the master.
    return { node, isSeen: observer.sawTrouble(node, since) || observer.sawTrouble(this.view.holder(), since) };
  }

  private sessionEnds(): number {
    const { cluster } = this.parts;
    return NODES.reduce((sum, node) => sum + cluster.lineCount(node, SESSION_ENDED), 0);
  }

  /** What a person does with the broker's tools; null when the broker would not. */
  private async onBroker<T>(act: (channel: import('amqplib').Channel) => Promise<T>): Promise<T | null> {
    const connection = await connect(this.parts.cluster.broker.amqpUrl, { timeout: 10_000 });
    connection.on('error', () => undefined);
    try {
      const channel = await connection.createChannel();
      channel.on('error', () => undefined);
      return await act(channel);
    } catch (error) {
      // The queue may not be there at this moment; then the fault has no effect, and does not
      // count.
      this.parts.say(`the broker refused: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    } finally {
      await connection.close().catch(() => undefined);
    }
  }
}

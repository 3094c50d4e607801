/**
 * Who makes trouble in a chaos run: one fault after the other, drawn from the seed, each with a while of rest behind it. A fault counts only
 * when its effect was seen. Stores are wiped one at a time, and only while every member is a voter, so never more than a minority is gone.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'amqplib';
import type { SeededRandom } from '../support/seeded-random';
import { type ChaosCluster, MASTERS, NODES, SECONDARIES } from './chaos-cluster';
import type { Observer } from './observer';

export const KINDS = [
  'kill -9 of a secondary',
  'kill -9 of the master',
  'SIGSTOP and SIGCONT',
  'broker restart',
  'broker kill',
  'queue purge',
  'queue deletion',
  'connections closed',
  'network cut',
  'network delay',
  'data folder deleted',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Fault {
  readonly kind: Kind;
  readonly node: string;
  /** Milliseconds since the beginning of the run. */
  readonly from: number;
  readonly until: number;
  /** Its effect was seen. */
  readonly isSeen: boolean;
}

const SESSION_ENDED = 'the session with the broker ended';
const EFFECT_MS = 8_000;
const READY_MS = 20_000;
const FIRST_MS = 60_000;
/** A broker restart costs everybody some seconds; the others shall have their turn. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  'kill -9 of a secondary': 4,
  'kill -9 of the master': 4,
  'SIGSTOP and SIGCONT': 4,
  'broker restart': 1,
  'broker kill': 1,
  'queue purge': 4,
  'queue deletion': 4,
  'connections closed': 4,
  'network cut': 4,
  'network delay': 4,
  'data folder deleted': 4,
};

export class ChaosNemesis {
  readonly faults: Fault[] = [];

  constructor(
    private readonly parts: {
      readonly cluster: ChaosCluster;
      readonly observer: Observer;
      readonly random: SeededRandom;
      readonly clock: () => number;
      readonly say: (line: string) => void;
    },
  ) {}

  /** Until that time, by the run's clock. */
  async run(untilMs: number): Promise<void> {
    const { clock, random, say } = this.parts;
    // Each kind once in a drawn order, so that a short run has some of all; then all of a bag before the next one, so that a long run has many.
    let bag = random.shuffle(KINDS);
    while (clock() < untilMs) {
      if (bag.length === 0) bag = random.shuffle(KINDS.flatMap((kind) => Array<Kind>(WEIGHTS[kind]).fill(kind)));
      const kind = bag.pop() as Kind;
      const from = clock();
      const { node, isSeen } = await this.strike(kind);
      this.faults.push({ kind, node, from, until: clock(), isSeen });
      say(`${(from / 1000).toFixed(1)} s  ${kind} ${node}${isSeen ? '' : ' (no effect seen)'}`);
      await pause(500 + random.below(2_500));
    }
  }

  /** The cluster is up for the first time, and every member a voter: there is something to hurt. */
  async untilWhole(): Promise<void> {
    if (!(await this.seen(() => this.allVote(), FIRST_MS))) throw new Error('the cluster does not come up');
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

  private async strike(kind: Kind): Promise<{ node: string; isSeen: boolean }> {
    const { random } = this.parts;
    switch (kind) {
      case 'kill -9 of a secondary':
        return this.kill(random.pick(SECONDARIES));
      case 'kill -9 of the master':
        return this.kill(this.holder());
      case 'SIGSTOP and SIGCONT':
        return this.freeze(random.pick([...SECONDARIES, this.holder()]));
      case 'broker restart':
      case 'broker kill':
        return this.restartBroker(kind === 'broker restart');
      case 'queue purge':
        return this.purge(random.pick(SECONDARIES));
      case 'queue deletion':
        return this.deleteQueue(random.pick(SECONDARIES));
      case 'connections closed':
        return this.closeConnections(random.pick([...SECONDARIES, this.holder()]));
      case 'network cut':
        return this.cut(random.pick([...SECONDARIES, this.holder()]));
      case 'network delay':
        return this.delay(random.pick([...SECONDARIES, this.holder()]));
      case 'data folder deleted':
        return this.wipe(random.pick([...SECONDARIES, this.holder()]));
    }
  }

  private holder(): string {
    const { observer } = this.parts;
    const reigning = ['ok', 'degraded', 'read-only'];
    return MASTERS.find((node) => reigning.includes(observer.latest(node)?.status ?? '')) ?? 'master';
  }

  private async kill(node: string) {
    const { cluster, random, observer, clock } = this.parts;
    const since = clock();
    await cluster.kill(node);
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
    return { node, isSeen: await this.seen(() => observer.sawTrouble(node, since)) };
  }

  private async restartBroker(graceful: boolean) {
    const { cluster, random } = this.parts;
    const ends = this.sessionEnds();
    await (graceful ? cluster.broker.halt() : cluster.broker.kill());
    await pause(random.below(2_000));
    await cluster.broker.start();
    return { node: 'broker', isSeen: await this.seen(() => this.sessionEnds() > ends) };
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
    return { node, isSeen: await this.seen(() => cluster.lineCount(node, sentence) > before) };
  }

  private async closeConnections(node: string) {
    const { cluster, random } = this.parts;
    const ends = cluster.lineCount(node, SESSION_ENDED);
    cluster.proxyOf(node).cut(random.chance(0.5) ? 'RST' : 'FIN');
    return { node, isSeen: await this.seen(() => cluster.lineCount(node, SESSION_ENDED) > ends) };
  }

  private async cut(node: string) {
    const { cluster, random, observer, clock } = this.parts;
    const since = clock();
    cluster.proxyOf(node).partition();
    await pause(3_000 + random.below(9_000));
    const isSeen = observer.sawTrouble(this.holder(), since) || observer.sawTrouble(node, since);
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
    return { node, isSeen: observer.sawTrouble(node, since) || observer.sawTrouble(this.holder(), since) };
  }

  private async wipe(node: string) {
    const { cluster, random, observer, clock } = this.parts;
    if (!(await this.seen(() => this.allVote(), READY_MS))) return { node, isSeen: false };
    const since = clock();
    const joins = this.newStores();
    await cluster.kill(node);
    cluster.wipe(node);
    await pause(random.below(2_000));
    await cluster.start(node);
    // A master tells nobody that its store is another one; that it was gone is seen.
    const isMaster = MASTERS.some((each) => each === node);
    return {
      node,
      isSeen: await this.seen(() => (isMaster ? observer.sawTrouble(node, since) : this.newStores() > joins)),
    };
  }

  private async allVote(): Promise<boolean> {
    const { cluster, observer } = this.parts;
    const holder = this.holder();
    if (observer.latest(holder)?.status !== 'ok') return false;
    const answer = await cluster.ask(holder, { path: '/members', withinMs: 1_500 }).catch(() => null);
    if (answer === null || answer.status !== 200) return false;
    const members = JSON.parse(answer.text) as { voter: boolean }[];
    return members.length === SECONDARIES.length && members.every(({ voter }) => voter);
  }

  private newStores(): number {
    const { cluster } = this.parts;
    return MASTERS.reduce((sum, node) => sum + cluster.lineCount(node, 'joins with another store'), 0);
  }

  private sessionEnds(): number {
    const { cluster } = this.parts;
    return NODES.reduce((sum, node) => sum + cluster.lineCount(node, SESSION_ENDED), 0);
  }

  /** Looks until it is so, or time is up. */
  private async seen(condition: () => boolean | Promise<boolean>, withinMs = EFFECT_MS): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (!(await condition())) {
      if (performance.now() >= deadline) return false;
      await pause(50);
    }
    return true;
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
      // The queue may not be there at this moment; then the fault has no effect, and does not count.
      this.parts.say(`the broker refused: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    } finally {
      await connection.close().catch(() => undefined);
    }
  }
}

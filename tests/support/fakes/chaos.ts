/**
 * Random faults and clients on a simulated cluster, all drawn from its seed: nodes are killed and come back with their disks, the broker
 * stops, queues are purged and deleted, disks fill up and get slow, connections are cut, members pause. Then everything is healed.
 *
 * A client whose master died asks again under the same id, as a client would, until it has an answer that settles it.
 */
import type { WriteConcern } from '#protocol/write-concern';
import { CALM } from '#tests/simulation/model/faults';
import { ClusterChecker } from '../checks/cluster-checker';
import { SimCluster, type SimOptions } from './sim-cluster';

export interface ChaosOptions extends SimOptions {
  /** Simulated milliseconds of faults. */
  readonly durationMs?: number;
  /** Also lose a disk now and then; one at a time, each after the last is made good. */
  readonly losesDisks?: boolean;
  /** A second master process stands by. */
  readonly hasStandby?: boolean;
}

interface Client {
  /** Unique; changes when it was refused, for what comes then is another append. */
  message: string;
  readonly writeConcern: WriteConcern;
  request: number;
  /** The master process that has the request. */
  master: string;
  /** Start of that process. */
  machine: object | null;
  /** Seq that the client was told; null: none yet. */
  seq: number | null;
  /** Nodes that it asked for. */
  w: number;
  /** What it was told in the end; null: it waits. */
  answer: string | null;
}

const CONCERNS: readonly WriteConcern[] = [1, 1, 2, 3, 'majority', 'all'];
/** Simulated: masters that keep each other from a reign give way for up to a minute, several times. */
const HEAL_MS_MAX = 300_000;
/** Answers after which a client asks again. */
const UNSETTLED = ['deposed', 'shutting-down', 'storage', 'recovering', 'standby', 'no-quorum', 'overloaded'];

export class Chaos {
  readonly cluster: SimCluster;
  readonly checker: ClusterChecker;
  readonly clients: Client[] = [];
  readonly masters: readonly string[];
  private readonly nodes: readonly string[];
  private readonly restartAt = new Map<string, number>();
  private readonly cutUntil = new Map<string, number>();
  private readonly pausedUntil = new Map<string, number>();
  private brokerBackAt: number | null = null;
  private nextWipeAt: number;

  constructor(private readonly options: ChaosOptions) {
    this.cluster = new SimCluster(options);
    this.masters = options.hasStandby === true ? ['master', 'standby'] : ['master'];
    this.nodes = [...this.masters, ...this.cluster.members];
    this.checker = new ClusterChecker(this.cluster, this.nodes);
    this.nextWipeAt = options.losesDisks === true ? 3_000 : Number.POSITIVE_INFINITY;
  }

  /** All of it: a start, the faults, the healing. */
  run(): void {
    const { cluster } = this;
    cluster.start(...this.nodes);
    cluster.runUntil('a master takes appends', () => this.reigning !== null);
    const end = cluster.now + (this.options.durationMs ?? 6_000);
    while (cluster.now < end) {
      this.recover();
      this.strike();
      for (let count = cluster.random.below(4); count > 0; count -= 1) this.append();
      this.askAgain();
      cluster.run(1 + cluster.random.below(60));
    }
    this.heal();
  }

  /** The master that takes appends. */
  get reigning(): string | null {
    const { cluster } = this;
    return (
      this.masters.find((node) => cluster.isUp(node) && cluster.masterOf(node).refusal(cluster.now) === null) ?? null
    );
  }

  /** Everything is up and connected from now on: what was promised for then has to come true. */
  private heal(): void {
    const { cluster } = this;
    for (const node of this.nodes) {
      cluster.fullDisks.delete(node);
      cluster.slowStore(node, 0);
    }
    for (const node of cluster.members) if (cluster.isUp(node)) cluster.delay(node, 0);
    Object.assign(cluster.faults, CALM);
    for (const times of [this.restartAt, this.cutUntil, this.pausedUntil])
      for (const node of times.keys()) times.set(node, 0);
    if (this.brokerBackAt !== null) this.brokerBackAt = 0;
    this.recover();
    cluster.runUntil(
      'every client is answered',
      () => {
        this.askAgain();
        return this.clients.every(({ answer }) => answer !== null);
      },
      HEAL_MS_MAX,
    );
    cluster.runUntil('all logs are equal', () => this.logsAreEqual());
  }

  private logsAreEqual(): boolean {
    const { cluster } = this;
    const { reigning } = this;
    if (reigning === null) return false;
    const lengths = [reigning, ...cluster.members].map((node) => cluster.recordsOf(node).length);
    return new Set(lengths).size === 1 && cluster.masterOf(reigning).groups.isIdle;
  }

  private strike(): void {
    const { cluster } = this;
    const { random } = cluster;
    const member = this.pick(cluster.members);
    const node = this.pick(this.nodes);
    const soon = (ms: number): number => cluster.now + random.below(ms);
    switch (random.below(60)) {
      case 0:
      case 1:
        return this.kill(member, soon(4_000));
      case 2:
        return this.kill(this.pick(this.masters), soon(2_000));
      case 3:
        if (this.brokerBackAt !== null) return undefined;
        cluster.stopBroker();
        this.brokerBackAt = soon(2_000);
        return undefined;
      case 4:
        return cluster.broker.purge(member);
      case 5:
        return cluster.world.deleteQueue(member);
      case 6:
        cluster.fullDisks.add(node);
        return undefined;
      case 7:
      case 8:
      case 9:
        for (const each of this.nodes) cluster.fullDisks.delete(each);
        return undefined;
      case 10:
        return cluster.slowStore(node, random.below(80));
      case 11:
        if (cluster.isUp(member)) cluster.delay(member, random.below(200));
        return undefined;
      case 12:
        return this.cut(node, soon(3_000));
      case 13:
        if (this.pausedUntil.has(member) || !cluster.isUp(member)) return undefined;
        this.pause(member, true);
        this.pausedUntil.set(member, soon(2_000));
        return undefined;
      default:
        return this.wipe(node);
    }
  }

  private kill(node: string, restartAt: number): void {
    if (!this.cluster.isUp(node)) return;
    this.cluster.kill(node);
    this.restartAt.set(node, restartAt);
    this.pausedUntil.delete(node);
  }

  private cut(node: string, until: number): void {
    if (this.cutUntil.has(node)) return;
    this.cluster.cut(node);
    this.cutUntil.set(node, until);
  }

  private pause(node: string, paused: boolean): void {
    this.cluster.world.secondaryOf(node)?.dispatch({ type: 'pause', paused });
  }

  /** Takes a node's disk away, when no other is missing. */
  private wipe(node: string): void {
    const { cluster } = this;
    if (cluster.now < this.nextWipeAt || !this.isWhole()) return;
    this.kill(node, cluster.now + cluster.random.below(1_000));
    cluster.wipe(node);
    this.nextWipeAt = cluster.now + 2_000;
  }

  /** Every voter has its disk and holds everything that is committed. */
  private isWhole(): boolean {
    const { cluster, reigning } = this;
    if (reigning === null || !cluster.members.every((node) => cluster.isUp(node))) return false;
    const { outline } = cluster.masterOf(reigning);
    const { index, members } = outline.newestList();
    const voters = members?.voters ?? [];
    if (!cluster.members.every((node) => cluster.recordsOf(node).length >= index)) return false;
    if (voters.length <= cluster.members.length || outline.seqAt(index) > cluster.masterOf(reigning).commit)
      return false;
    return voters.every(({ node, store }) => cluster.world.diskOf(node).store === store);
  }

  private recover(): void {
    const { cluster } = this;
    if (this.brokerBackAt !== null && cluster.now >= this.brokerBackAt) {
      cluster.startBroker();
      this.brokerBackAt = null;
    }
    this.due(this.restartAt, (node) => cluster.start(node));
    this.due(this.cutUntil, (node) => cluster.reconnect(node));
    this.due(this.pausedUntil, (node) => this.pause(node, false));
  }

  private due(times: Map<string, number>, act: (node: string) => void): void {
    for (const [node, at] of [...times]) {
      if (this.cluster.now < at) continue;
      times.delete(node);
      act(node);
    }
  }

  private append(): void {
    const { cluster } = this;
    const up = this.masters.filter((node) => cluster.isUp(node));
    if (up.length === 0) return;
    const client: Client = {
      message: `m${this.clients.length + 1}`,
      writeConcern: this.pick(CONCERNS),
      request: 0,
      master: this.reigning ?? this.pick(up),
      machine: null,
      seq: null,
      w: 0,
      answer: null,
    };
    this.clients.push(client);
    this.ask(client);
    if (cluster.random.chance(0.1))
      cluster.timeline.at(cluster.now + cluster.random.below(2_000), () => this.timeOut(client));
  }

  private timeOut({ request, master, machine }: Client): void {
    if (this.cluster.runningMachine(master) === machine) this.cluster.giveUp(request, 'timeout', master);
  }

  private askAgain(): void {
    const { cluster, reigning } = this;
    for (const client of this.clients) {
      if (client.answer !== null) continue;
      const answer = cluster.answerOf(client.request);
      if (answer !== null && !UNSETTLED.includes(answer)) this.settle(client, answer);
      else if (reigning !== null && (answer !== null || cluster.runningMachine(client.master) !== client.machine)) {
        if (cluster.answers.get(client.request)?.outcome === 'refused') this.rename(client);
        client.master = reigning;
        this.ask(client);
      }
    }
  }

  /** It was refused: what its client asks for now is another append. */
  private rename(client: Client): void {
    client.message += "'";
    client.request = 0;
  }

  private settle(client: Client, text: string): void {
    client.answer = text;
    const answer = this.cluster.answers.get(client.request);
    if (answer === undefined || !('seq' in answer && 'w' in answer)) return;
    client.seq = answer.seq;
    client.w = answer.w;
  }

  /** An id that is known is not appended again. */
  private ask(client: Client): void {
    const { cluster, checker } = this;
    const { message, writeConcern, master, request } = client;
    client.machine = cluster.runningMachine(master);
    client.request = cluster.append(message, writeConcern, `id-${message}`, master);
    checker.expect(client.request, { message, isRepeat: request > 0 });
  }

  private pick<Item>(items: readonly Item[]): Item {
    const item = items[this.cluster.random.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

/**
 * Disks that are not what their node had: of a former life, of another log, of another node, older
 * than they were. And what else a wild run does at the borders of a log's life. Unless the run goes
 * beyond what is promised, nothing is done that is not; and if it does, the ledger says so.
 */
import { isAtLeastAsUpToDate } from '#protocol/log/outline';
import { controlRecord, entryRecords, type LogRecord } from '#protocol/record';
import type { SeededRandom } from '#tests/support/seeded-random';
import { type Losses, logsOf, mayBeginBeside, mayLose } from '../checks/ledger';
import { Violation } from '../checks/violation';
import type { DiskSnapshot } from '../model/disk';
import type { MasterProcess } from '../model/master-process';
import type { Nemesis } from './nemesis';
import type { WildAction } from './profile';

/** An operator asks again so often, and so many times, whether a force is ready. */
const ASK_AGAIN_MS = 500;
const ASKS = 25;
/** Whoever is there for so long must have been heard. */
const HEARD_MS = 6_000;

export class StrangeDisks {
  /** Ids of the other logs that were brought in. */
  readonly logs = new Set<string>();
  /** What was on disks when they were lost. */
  private readonly former: DiskSnapshot[] = [];
  private readonly backups = new Map<string, DiskSnapshot>();

  constructor(
    private readonly nemesis: Nemesis,
    private readonly random: SeededRandom,
  ) {}

  act(action: WildAction, node: string): void {
    switch (action) {
      case 'former life': {
        const snapshot = this.former.length > 0 ? this.random.pick(this.former) : null;
        return snapshot === null ? undefined : this.replace(node, snapshot, action);
      }
      case 'another log': {
        const snapshot = strangeLog(this.random, node, this.nemesis.nodes);
        return this.replace(node, snapshot, action);
      }
      case 'swap':
        return this.swap(node, this.random.pick(this.nemesis.nodes));
      case 'roll back':
        return this.rollBack(node);
      case 'force':
        return this.force();
      case 'lose broker and disk':
        return this.loseBrokerAndDisk();
      case 'two holders':
        return this.twoHolders();
    }
  }

  /** What a node loses may come back. */
  keep(snapshot: DiskSnapshot): void {
    if (snapshot.platter.length > 0) this.former.push(snapshot);
  }

  private get world() {
    return this.nemesis.world;
  }

  /** May it be done? What is not promised to be survived ends the promise, or is not done. */
  private allows(nodes: readonly string[], losses: Losses, what: string): boolean {
    const { ledger, profile } = this.nemesis;
    if (!ledger.isPromised) return true;
    const isMinority = nodes.every((node) => mayLose(this.world, node, losses.arriving));
    if (isMinority && !mayBeginBeside(this.world, { ...losses, disks: nodes })) return true;
    if (profile.wild?.isBeyond !== true) return false;
    ledger.giveUp(what);
    return true;
  }

  private replace(node: string, snapshot: DiskSnapshot, what: string): void {
    const { nemesis, world } = this;
    const isStrange = what === 'another log';
    if (isStrange && logsOf(world).size === 0) return;
    if (!this.allows([node], { strangeDisk: isStrange, arriving: snapshot.platter }, `${what} at ${node}`)) return;
    nemesis.note(what, node);
    if (isStrange) this.logs.add(snapshot.promised.identity ?? '');
    nemesis.end(node);
    const lost = world.diskOf(node).snapshot();
    this.put(node, snapshot);
    this.keep(lost);
    nemesis.plan(nemesis.some(), () => nemesis.start(node));
  }

  private put(node: string, snapshot: DiskSnapshot): void {
    const at = this.former.indexOf(snapshot);
    if (at >= 0) this.former.splice(at, 1);
    this.world.diskOf(node).restore(snapshot);
    this.nemesis.events.lost(node);
  }

  private swap(node: string, other: string): void {
    const { nemesis, world } = this;
    if (node === other || !this.allows([node], {}, `${node} has the disk of ${other}`)) return;
    for (const each of [node, other]) nemesis.end(each);
    const [own, theirs] = [world.diskOf(node).snapshot(), world.diskOf(other).snapshot()];
    this.put(node, theirs);
    if (!this.allows([other], {}, `${other} has the disk of ${node}`)) {
      this.put(node, own);
    } else {
      nemesis.note('swap', `${node} ${other}`);
      this.put(other, own);
    }
    for (const each of [node, other]) nemesis.plan(nemesis.some(), () => nemesis.start(each));
  }

  /** The first time a copy is made; after that the disk is set back to it. */
  private rollBack(node: string): void {
    const { nemesis, world } = this;
    const backup = this.backups.get(node);
    const disk = world.diskOf(node);
    if (backup === undefined) {
      this.backups.set(node, disk.snapshot());
      return;
    }
    this.backups.delete(node);
    if (disk.store !== backup.store) return;
    nemesis.note('roll back', node);
    nemesis.end(node);
    nemesis.ledger.setBack(node);
    this.put(node, backup);
    nemesis.plan(nemesis.some(), () => nemesis.start(node));
  }

  private force(): void {
    const { nemesis, world, random } = this;
    const up = nemesis.profile.masters.flatMap((node) => world.masterOf(node) ?? []);
    if (up.length > 0) this.ask(random.pick(up), random.chance(0.8) ? 'best' : 'new', ASKS);
  }

  private ask(process: MasterProcess, begin: 'best' | 'new', asks: number): void {
    const { nemesis, world } = this;
    process.enter(() => {
      const { state } = process.machine.view.forcePlan(world.now, begin);
      if (state !== 'refused') nemesis.ledger.force();
      if (state === 'ready' && begin === 'best') this.checkBest(process);
      nemesis.note('force', `${process.node} ${begin} ${state}`);
      process.dispatch({ type: 'force', request: world.nextRequest(), begin });
      if (state === 'refused' || state === 'ready' || asks === 0) return;
      nemesis.plan(ASK_AGAIN_MS, () => this.ask(process, begin, asks - 1));
    });
  }

  /**
   * Nobody who is up, and was so for long enough to be heard, knows more of this log than the
   * master that begins a branch of it.
   */
  private checkBest({ node, machine }: MasterProcess): void {
    const { world, nemesis } = this;
    const others = nemesis.profile.masters.filter((each) => each !== node).map((each) => world.masterOf(each)?.machine);
    if (machine.view.votersUp !== null || others.some((other) => other != null && other.view.votersUp !== null)) return;
    const { last } = machine.view.outline;
    for (const { node: other, steadyMs, shown: theirs } of world.processes.values()) {
      if (nemesis.profile.masters.includes(other) || steadyMs < HEARD_MS || theirs.outline.last.log !== last.log)
        continue;
      if (!isAtLeastAsUpToDate(last, theirs.outline.last))
        throw new Violation('force', `${node} begins a branch at ${last.index}@${last.epoch}, and ${other} has more`);
    }
  }

  private loseBrokerAndDisk(): void {
    const { nemesis, world, random } = this;
    const node = world.broker.holder ?? random.pick(nemesis.profile.masters);
    if (!world.broker.isUp || !this.allows([node], { brokerData: true }, `${node} and the broker's data are lost`))
      return;
    nemesis.note('lose broker and disk', node);
    nemesis.end(node);
    nemesis.takeStore(node, 'wipe');
    world.stopBroker(true);
    nemesis.plan(nemesis.some(), () => world.startBroker());
    nemesis.plan(nemesis.some(), () => nemesis.start(node));
  }

  private twoHolders(): void {
    const { nemesis, world } = this;
    const former = world.broker.forgetLock();
    nemesis.note('two holders', former ?? '');
    if (former !== null) nemesis.plan(nemesis.some(), () => world.broker.severNode(former));
  }
}

/**
 * A folder of another log, with more or fewer epochs than the one at hand, with a majority or
 * without, and with its commit index known or not.
 */
function strangeLog(random: SeededRandom, node: string, nodes: readonly string[]): DiskSnapshot {
  const store = random.hex(8);
  const self = { node, store };
  const others = nodes
    .filter((each) => each !== node && random.chance(0.5))
    .map((each) => ({ node: each, store: random.hex(8) }));
  const platter: LogRecord[] = [];
  const identity = random.hex(8);
  let [epoch, reign] = [1, identity];
  for (let reigns = random.chance(0.5) ? 1 : random.between(2, 4); reigns > 0; reigns -= 1) {
    const seq = platter.at(-1)?.seq ?? 0;
    platter.push(controlRecord({ index: platter.length + 1, epoch, seq }, { control: 'epoch', reign, ...self }));
    if (platter.length === 1) {
      const members = nodes.filter((each) => each !== node);
      platter.push(
        controlRecord({ index: 2, epoch, seq: 0 }, { control: 'members', voters: [self, ...others], members }),
      );
    }
    const entries = Array.from({ length: random.below(6) }, (_, at) => {
      const message = `strange-${reign}-${at}`;
      return { seq: seq + at + 1, epoch, id: `${reign}-${at}`, ts: 't0', message };
    });
    platter.push(...entryRecords(platter.length + 1, entries));
    [epoch, reign] = [epoch + random.between(1, 3), random.hex(8)];
  }
  const commit = random.chance(0.5) ? 0 : random.below(platter.length + 1);
  const last = { epoch: platter.at(-1)?.epoch ?? 0, reign };
  const promised = { ...last, votedFor: null, log: identity, identity, commit };
  return { store, platter, promised };
}

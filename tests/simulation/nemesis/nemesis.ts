/**
 * Who makes trouble: single acts at random, or a schedule that is known to break protocols which
 * random acts leave whole. Whatever it does is undone by `heal`. As long as a run does not go
 * beyond what is promised it never takes more than a minority of voters' stores (ledger.ts).
 */
import type { SeededRandom } from '#tests/support/seeded-random';
import { type Losses, logAt, mayBeginBeside, mayLose } from '../checks/ledger';
import type { PromiseLedger } from '../checks/promise-ledger';
import { CALM } from '../model/faults';
import type { MasterProcess } from '../model/master-process';
import type { World } from '../model/world';
import { type Action, type Profile, WILD_ACTIONS, type WildAction } from './profile';
import { StrangeDisks } from './strange-disks';

interface NemesisEvents {
  /** The process is about to end. */
  killing(node: string): void;
  /** The store of a stopped node was lost. */
  lost(node: string): void;
  /** An operator takes the node in. */
  admitting(node: string): void;
}

export class Nemesis {
  readonly counts: Record<string, number> = {};
  private readonly strange: StrangeDisks;
  private isOver = false;

  constructor(
    readonly world: World,
    readonly profile: Profile,
    readonly ledger: PromiseLedger,
    readonly random: SeededRandom,
    readonly events: NemesisEvents,
  ) {
    this.strange = new StrangeDisks(this, random.split('strange'));
  }

  get nodes(): readonly string[] {
    return [...this.profile.masters, ...this.profile.secondaries, ...(this.profile.wild?.guests ?? [])];
  }

  /** One act after another, at random times. */
  startRandom(calmMs = this.profile.calmMs): void {
    const actions = [...this.profile.actions, ...(this.profile.wild?.actions ?? [])];
    if (actions.length === 0) return;
    this.plan(1 + this.random.below(2 * calmMs), () => {
      this.act(this.random.pick(actions), this.random.pick(this.nodes));
      this.startRandom(calmMs);
    });
  }

  /** Runs unless it is over by then. */
  plan(ms: number, run: () => void): void {
    this.world.timeline.after(ms, () => {
      if (!this.isOver) run();
    });
  }

  act(action: Action | WildAction, node: string): void {
    if (isWild(action)) this.strange.act(action, node);
    else this.actTame(action, node);
  }

  private actTame(action: Action, node: string): void {
    const { world, random } = this;
    const ms = this.some();
    switch (action) {
      case 'kill':
        this.kill(node);
        return this.plan(ms, () => this.start(node));
      case 'freeze':
        this.note('freeze', node);
        world.processes.get(node)?.freeze();
        if (random.chance(0.5)) this.plan(random.below(ms), () => world.broker.severNode(node));
        return this.plan(ms, () => world.processes.get(node)?.thaw());
      case 'cut':
        this.cut(node);
        return this.plan(ms, () => world.allow(node));
      case 'blink':
        this.note('blink', node);
        return world.broker.severNode(node);
      case 'restart broker':
        return this.restartBroker(false, ms);
      case 'lose broker data':
        return this.mayDo({ brokerData: true }) ? this.restartBroker(true, ms) : undefined;
      case 'purge':
        this.note('purge', node);
        return world.broker.purge(node);
      case 'delete queue':
        this.note('delete queue', node);
        return world.deleteQueue(node);
      case 'block':
        this.note('block', '');
        world.setBlocked(true);
        return this.plan(ms, () => world.setBlocked(false));
      case 'fill disk':
        this.note('fill disk', node);
        world.diskOf(node).full = true;
        return this.plan(ms, () => this.emptyDisk(node));
      case 'slow disk':
        this.slowDisk(node, random.below(600));
        return this.plan(ms, () => this.slowDisk(node, 0));
      case 'delay':
        this.note('delay', node);
        return this.delay(node, ms);
      case 'pause':
        this.note('pause', node);
        this.pause(node, true);
        return this.plan(ms, () => this.pause(node, false));
      case 'wipe':
      case 'damage':
        this.lose(node, action);
        return this.plan(ms, () => this.start(node));
      case 'remove':
        return this.remove(node);
      case 'admit': {
        const master = this.reigningMaster();
        return master === null ? undefined : this.admit(master, node);
      }
    }
  }

  /** An operator takes a node in, also one that was removed. */
  admit(master: MasterProcess, node: string): void {
    if (master.machine.view.members.includes(node) || this.profile.masters.includes(node)) return;
    this.note('admit', node);
    this.events.admitting(node);
    master.enter(() => master.dispatch({ type: 'admit', request: this.world.nextRequest(), node }));
  }

  kill(node: string): void {
    if (!this.world.processes.has(node)) return;
    if (this.profile.inMemory && !this.mayLose(node)) return this.world.broker.severNode(node);
    this.note('kill', node);
    this.end(node);
  }

  start(node: string): void {
    const isLate = this.world.now < (this.profile.wild?.late.get(node) ?? 0);
    if (!this.isOver && !isLate) this.world.start(node);
  }

  cut(node: string): void {
    this.note('cut', node);
    this.world.bar(node);
  }

  /** Kills the node and takes its store, if that may be. */
  lose(node: string, how: 'wipe' | 'damage'): boolean {
    if (!this.mayLose(node)) return false;
    this.note(how, node);
    this.end(node);
    if (!this.profile.inMemory) this.takeStore(node, how);
    return true;
  }

  slowDisk(node: string, ms: number): void {
    if (ms > 0) this.note('slow disk', node);
    this.world.diskOf(node).extraMs = ms;
  }

  /** Everything in memory, at once. */
  forgetAll(): void {
    this.note('amnesia', '');
    for (const node of this.nodes) this.end(node);
  }

  /**
   * Nodes with a disk of another log get an empty one, as an operator gives them who has looked at
   * them.
   */
  emptyStrange(): void {
    for (const node of this.nodes) {
      if (!this.strange.logs.has(logAt(this.world, node) ?? '')) continue;
      this.note('empty a strange disk', node);
      this.end(node);
      this.takeStore(node, 'wipe');
      this.world.start(node);
    }
  }

  /** Nothing goes wrong from now on, and everything is up. */
  heal(): void {
    const { world } = this;
    this.isOver = true;
    // Also one that is not up yet: the word that it has the lock may be on its way.
    for (const { node } of world.processes.values())
      if (world.broker.hasForgotten && this.profile.masters.includes(node) && world.broker.holder !== node)
        world.broker.severNode(node);
    world.trace.note(world.now, 'heal');
    Object.assign(world.faults, CALM);
    world.setBlocked(false);
    world.startBroker();
    for (const node of this.nodes) {
      const disk = world.diskOf(node);
      disk.full = false;
      disk.extraMs = 0;
      disk.promiseMs = 0;
      world.allow(node);
      world.processes.get(node)?.thaw();
      if (this.profile.actions.includes('pause')) this.pause(node, false);
      const secondary = world.secondaryOf(node);
      if (secondary !== null) secondary.delayMs = 0;
      world.start(node);
    }
  }

  /** How long a trouble lasts, in milliseconds. */
  some(): number {
    return this.random.chance(0.2) ? this.random.between(2_000, 6_000) : this.random.between(5, 1_500);
  }

  end(node: string): void {
    if (this.world.processes.has(node)) {
      this.events.killing(node);
      this.world.kill(node);
    }
    if (this.profile.inMemory) this.takeStore(node, 'wipe');
  }

  takeStore(node: string, how: 'wipe' | 'damage'): void {
    const disk = this.world.diskOf(node);
    if (this.profile.wild !== null) this.strange.keep(disk.snapshot());
    if (how === 'wipe') disk.wipe();
    else disk.damage();
    this.events.lost(node);
  }

  private mayLose(node: string): boolean {
    return this.mayDo({ disks: [node] }, mayLose(this.world, node));
  }

  /** May this be lost? What is not promised to be survived ends the promise, or is not done. */
  private mayDo(losses: Losses, isMinority = true): boolean {
    if (!this.ledger.isPromised || (isMinority && !mayBeginBeside(this.world, losses))) return true;
    if (this.profile.wild?.isBeyond !== true) return false;
    this.ledger.giveUp(JSON.stringify(losses));
    return true;
  }

  /** Whoever takes itself for the reigning master. */
  private reigningMaster(): MasterProcess | null {
    const processes = this.profile.masters.map((master) => this.world.masterOf(master));
    return processes.find((process) => process?.machine.view.phaseName === 'reigning') ?? null;
  }

  private remove(node: string): void {
    const { world, profile } = this;
    for (const master of profile.masters) {
      const process = world.masterOf(master);
      if (process?.machine.view.phaseName !== 'reigning' || !process.machine.view.members.includes(node)) continue;
      this.note('remove', node);
      process.enter(() => process.dispatch({ type: 'remove', request: world.nextRequest(), node }));
    }
  }

  private restartBroker(withoutData: boolean, ms: number): void {
    if (!this.world.broker.isUp) return;
    this.note(withoutData ? 'lose broker data' : 'restart broker', '');
    this.world.stopBroker(withoutData);
    this.plan(ms, () => this.world.startBroker());
  }

  private emptyDisk(node: string): void {
    this.world.diskOf(node).full = false;
  }

  private delay(node: string, ms: number): void {
    const process = this.world.secondaryOf(node);
    if (process === null) return;
    process.delayMs = this.random.below(300);
    this.plan(ms, () => {
      process.delayMs = 0;
    });
  }

  /**
   * A secondary that pauses votes and beats, and takes no entries; one that starts anew does not
   * pause.
   */
  private pause(node: string, paused: boolean): void {
    const process = this.world.secondaryOf(node);
    process?.enter(() => process.dispatch({ type: 'pause', paused }));
  }

  note(what: string, node: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    this.world.trace.note(this.world.now, `${what} ${node}`);
  }
}

function isWild(action: Action | WildAction): action is WildAction {
  return (WILD_ACTIONS as readonly string[]).includes(action);
}

/**
 * One start of a node: a machine, its driver's part, its connection. What was planned for a process
 * that has ended does not happen; what comes to one that is stopped (SIGSTOP) waits until it goes
 * on.
 */
import type { Identity } from '#protocol/identity';
import type { OutlineView } from '#protocol/log/outline';
import type { WireMessage } from '#protocol/wire/messages';
import type { Connection } from './connection';
import type { DiskModel } from './disk';
import { type Envelope, pack } from './envelope';
import type { World } from './world';

/** What every machine shows of itself. */
export interface Shown {
  readonly outline: OutlineView;
  readonly durableIndex: number;
  readonly commit: number;
  /** The log that it follows; null: it is blank. */
  readonly identity: Identity | null;
}

interface Serving {
  readonly to: string;
  readonly node: string;
  readonly header: Omit<Extract<WireMessage, { type: 'entries' }>, 'records'>;
  readonly lastIndex: number;
  readonly limit: number;
}

export abstract class SimProcess {
  isAlive = true;
  /** Since when the session stands and says what it has to; null: it does not. */
  private upSince: number | null = null;
  protected connection: Connection | null = null;
  protected lockedOut = false;
  protected isBlocked = false;
  private frozen = false;
  private backlog: (() => void)[] = [];
  private readonly serving = new Set<string>();

  constructor(
    protected readonly world: World,
    readonly node: string,
    readonly disk: DiskModel,
  ) {}

  /** The session stands. */
  get isUp(): boolean {
    return this.upSince !== null;
  }

  set isUp(isUp: boolean) {
    if (isUp !== this.isUp) this.upSince = isUp ? this.world.now : null;
  }

  /** For how long it could be heard, in milliseconds. */
  get steadyMs(): number {
    return this.upSince === null || this.frozen || this.isBlocked ? 0 : this.world.now - this.upSince;
  }

  abstract readonly machine: object;
  abstract readonly shown: Shown;
  protected abstract tick(): void;
  /** The connection stands: take what is exclusive, then be up. */
  protected abstract settle(connection: Connection): void;
  protected abstract becomeDown(): void;

  begin(): void {
    this.ticking();
    this.later(1 + this.world.random.below(3), () => this.connect());
  }

  /** kill -9. */
  end(): void {
    this.isAlive = false;
    this.backlog = [];
    if (this.connection !== null) this.world.broker.abandon(this.connection);
    this.disk.crash();
  }

  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    if (!this.frozen) return;
    this.frozen = false;
    if (this.upSince !== null) this.upSince = this.world.now;
    const backlog = this.backlog;
    this.backlog = [];
    for (const run of backlog) this.enter(run);
  }

  /** A turn of this process's event loop. */
  enter(run: () => void): void {
    if (!this.isAlive) return;
    if (this.frozen) this.backlog.push(run);
    else run();
  }

  later(ms: number, run: () => void): void {
    this.world.timeline.after(ms, () => this.enter(run));
  }

  soon(run: () => void): void {
    this.later(1 + this.world.random.below(3), run);
  }

  get address(): Connection | null {
    return this.connection;
  }

  /** Looks for the broker, for ever. */
  connect(): void {
    if (this.connection !== null) return;
    const opened = this.world.isBarred(this.node)
      ? null
      : this.world.broker.connect(this.node, () => this.enter(() => this.closed(opened)));
    if (opened === null) return this.retry(() => this.connect());
    this.connection = opened;
    this.settle(opened);
  }

  protected retry(run: () => void): void {
    this.later(1 + this.world.random.below(this.world.faults.reconnectMs), run);
  }

  protected send(to: string | 'control exchange', message: WireMessage, replyTo: string): void {
    if (this.connection === null || !this.isUp || this.isBlocked) return;
    this.post(this.connection, to, pack(message, replyTo, this.world.options.asBytes));
  }

  /** As the store's readers do it: what is there when it is read, one answer at a time to each. */
  protected serve({ to, node, header, lastIndex, limit }: Serving, replyTo: string, withChecksum: boolean): void {
    if (this.serving.has(node)) return;
    this.serving.add(node);
    const { generation } = this.disk;
    this.soon(() => {
      this.serving.delete(node);
      const { connection, disk } = this;
      if (connection === null || !this.isUp || this.isBlocked) return;
      const records = disk.view.slice(header.prevIndex, Math.min(lastIndex, header.prevIndex + limit));
      const message = withChecksum
        ? { ...header, records, prevChecksum: disk.checksumAt(header.prevIndex) }
        : { ...header, records };
      // A log that was cut meanwhile may not fit its header any more; then the codec has its say.
      const asBytes = this.world.options.asBytes || generation !== disk.generation;
      this.post(connection, to, pack(message, replyTo, asBytes));
    });
  }

  protected setBlocked(blocked: boolean): void {
    this.isBlocked = blocked;
    if (this.upSince !== null) this.upSince = this.world.now;
  }

  /** The broker's alarm is told to every connection. */
  tellBlocked(blocked: boolean): void {
    this.connection?.down(() => this.enter(() => this.setBlocked(blocked)));
  }

  /** Ends the session, and begins another after a while. */
  protected disconnect(pauseMs: number): void {
    const { connection } = this;
    if (connection === null) return;
    this.world.broker.abandon(connection);
    this.connection = null;
    if (this.isBlocked) this.setBlocked(false);
    this.isUp = false;
    this.becomeDown();
    this.later(pauseMs, () => this.connect());
  }

  private post(connection: Connection, to: string, parcel: Envelope): void {
    connection.up(() => {
      if (to === 'control exchange') this.world.broker.sendControl(parcel);
      else this.world.broker.sendTo(to, parcel);
    });
  }

  private closed(connection: Connection | null): void {
    if (connection === null || this.connection !== connection) return;
    this.connection = null;
    if (this.isBlocked) this.setBlocked(false);
    if (this.isUp) {
      this.isUp = false;
      this.becomeDown();
    }
    this.retry(() => this.connect());
  }

  private ticking(): void {
    this.world.timeline.after(this.world.options.tickMs, () => {
      if (!this.isAlive) return;
      if (!this.frozen) this.tick();
      this.ticking();
    });
  }
}

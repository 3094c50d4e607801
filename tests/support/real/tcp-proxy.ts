/**
 * A network of the tests' own: a TCP proxy between one node and its broker that can be told to be
 * bad.
 *
 *     node ◀──socket──▶ [ Pipe ▶ ] [ ◀ Pipe ] ◀──socket──▶ broker        one pair for each connection
 *
 * `cut` ends what is there, `freeze` stops forwarding without a FIN (the ends of a frozen pair
 * learn nothing of each other, not even an end), `partition` freezes and lets new connections wait,
 * too; `slow` delays or throttles. `heal` undoes all but a cut.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Slowness {
  /** Each byte arrives so much later, in either direction. */
  readonly delayMs?: number;
  /** For each connection and direction. */
  readonly bytesPerSecond?: number;
}

/** What a pipe holds before it stops reading: about what a router buffers. */
const HELD_BYTES_MAX = 64 * 1024;
/** Ten pieces a second, so that a throttled link trickles instead of stuttering. */
const PIECES_PER_SECOND = 10;

/** One direction of a connection. */
class Pipe {
  private held: { bytes: Buffer; dueAt: number }[] = [];
  private heldBytes = 0;
  private freeAt = 0;
  private timer: NodeJS.Timeout | null = null;
  private hasEnded = false;
  private isFrozen = false;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private slowness: Slowness,
  ) {
    from.on('data', (bytes: Buffer) => this.take(bytes));
    from.on('end', () => {
      this.hasEnded = true;
      this.pump();
    });
    to.on('drain', () => this.pump());
  }

  freeze(): void {
    this.isFrozen = true;
    this.from.pause();
  }

  /** @param slowness from now on, and for what is held */
  thaw(slowness: Slowness): void {
    this.isFrozen = false;
    this.slowness = slowness;
    const dueAt = performance.now() + (slowness.delayMs ?? 0);
    for (const each of this.held) each.dueAt = Math.min(each.dueAt, dueAt);
    this.freeAt = 0;
    this.pump();
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.held = [];
    this.isFrozen = true;
  }

  private take(bytes: Buffer): void {
    this.held.push({ bytes, dueAt: performance.now() + (this.slowness.delayMs ?? 0) });
    this.heldBytes += bytes.length;
    this.pump();
  }

  private pump(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    while (!this.isFrozen && !this.to.writableNeedDrain) {
      const [next] = this.held;
      if (next === undefined) break;
      const waitMs = Math.max(next.dueAt, this.freeAt) - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.pump(), waitMs);
        break;
      }
      this.forward(next.bytes);
    }
    this.balance();
  }

  private forward(bytes: Buffer): void {
    const { bytesPerSecond } = this.slowness;
    const size = bytesPerSecond === undefined ? bytes.length : Math.ceil(bytesPerSecond / PIECES_PER_SECOND);
    const piece = bytes.subarray(0, size);
    const rest = bytes.subarray(size);
    const [first] = this.held;
    if (rest.length === 0 || first === undefined) this.held.shift();
    else first.bytes = rest;
    this.heldBytes -= piece.length;
    if (bytesPerSecond !== undefined) this.freeAt = performance.now() + (piece.length * 1000) / bytesPerSecond;
    this.to.write(piece);
  }

  private balance(): void {
    if (this.isFrozen) return;
    if (this.heldBytes >= HELD_BYTES_MAX) this.from.pause();
    else this.from.resume();
    if (this.hasEnded && this.held.length === 0) this.to.end();
  }
}

/** One connection: the node's socket, the broker's, and the pipes between them. */
class Pair {
  private broker: Socket | null = null;
  private pipes: Pipe[] = [];
  private isFrozen = false;

  constructor(
    private readonly node: Socket,
    private readonly gone: () => void,
  ) {
    node.setNoDelay(true);
    node.pause();
    this.watch(node);
  }

  /** Connects to the broker, if it has not yet, and forwards from now on. */
  open(target: URL, slowness: Slowness): void {
    this.isFrozen = false;
    if (this.node.destroyed) return this.destroy();
    if (this.broker === null) {
      const broker = connect({ host: target.hostname, port: Number(target.port), noDelay: true });
      this.broker = broker;
      this.watch(broker);
      this.pipes = [new Pipe(this.node, broker, slowness), new Pipe(broker, this.node, slowness)];
    }
    if (this.broker.destroyed) return this.destroy();
    for (const pipe of this.pipes) pipe.thaw(slowness);
  }

  freeze(): void {
    this.isFrozen = true;
    for (const pipe of this.pipes) pipe.freeze();
  }

  /** Ends both sides as a network would that says so. */
  cut(how: 'RST' | 'FIN'): void {
    for (const pipe of this.pipes) pipe.stop();
    for (const socket of [this.node, this.broker]) {
      if (how === 'RST') socket?.resetAndDestroy();
      else socket?.end();
    }
  }

  destroy(): void {
    for (const pipe of this.pipes) pipe.stop();
    this.node.destroy();
    this.broker?.destroy();
    this.gone();
  }

  private watch(socket: Socket): void {
    // Whatever went wrong with one side is followed by its close, which is passed on.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (!this.isFrozen) this.destroy();
    });
  }
}

export class TcpProxy {
  private readonly pairs = new Set<Pair>();
  private slowness: Slowness = {};
  private isPartitioned = false;

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {
    server.on('connection', (socket) => this.accept(socket));
  }

  /** @param target an AMQP URL whose broker the proxy stands in for */
  static async open(target: string): Promise<TcpProxy> {
    const url = new URL(target);
    if (url.port === '') url.port = '5672';
    // An end is passed on when what came before it has been.
    const proxy = new TcpProxy(createServer({ allowHalfOpen: true }), url);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  /** The target's URL by way of this proxy. */
  get url(): string {
    const url = new URL(this.target);
    url.hostname = '127.0.0.1';
    url.port = String((this.server.address() as AddressInfo).port);
    return url.href;
  }

  /** Connections that one end or both believe to be open. */
  get connections(): number {
    return this.pairs.size;
  }

  /** Ends the connections that are there; new ones are served. */
  cut(how: 'RST' | 'FIN'): void {
    for (const pair of this.pairs) pair.cut(how);
  }

  /**
   * Half-open: nothing more goes through the connections that are there, and no end of theirs
   * either; new ones are served.
   */
  freeze(): void {
    for (const pair of this.pairs) pair.freeze();
  }

  /** As `freeze`, and new connections are accepted and not served. */
  partition(): void {
    this.isPartitioned = true;
    this.freeze();
  }

  slow(slowness: Slowness): void {
    this.slowness = slowness;
    this.heal(slowness);
  }

  /** Forwards everything at once again, also what was frozen. */
  heal(slowness: Slowness = {}): void {
    this.slowness = slowness;
    this.isPartitioned = false;
    for (const pair of this.pairs) pair.open(this.target, slowness);
  }

  async close(): Promise<void> {
    for (const pair of this.pairs) pair.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private accept(socket: Socket): void {
    const pair = new Pair(socket, () => this.pairs.delete(pair));
    this.pairs.add(pair);
    if (this.isPartitioned) pair.freeze();
    else pair.open(this.target, this.slowness);
  }
}
